/* base/conf.h: sections of providers and files of domains, and what the errors say. */
#include "tests/unit/conf.h"

/* What is wrong, behind the name of the file; LINE is a string. */
#define BAD(line, key, expected) ":" line ": bad value for '" key "', expected " expected
#define MISSING(key, expected) ": missing key '" key "' of provider 'isp', expected " expected

struct wrong {
	const char *content, *said;
};

static const struct {
	const char *content, *host, *domains;
} providers[] = {
	{ "host = odmr.example.net\nlogin = isp\n", "odmr.example.net", "" },
	{ "host = 2001:db8::1\nport = 587\ntls = starttls\nmode = etrn\nlogin = isp\n"
	  "domains = a.test, @b.test #night\n", "2001:db8::1", "a.test,@b.test,#night" },
};

static const struct wrong wrong_providers[] = {
	{ "login = isp\n", MISSING("host", "a host name or an address") },
	{ "host = a.test\n", MISSING("login", "a file of two lines, login and password") },
	{ "host = a.test\nlogin = isp\nmode = etrn\n", MISSING("domains", "what to ask for by ETRN") },
	{ "host = a b\n", BAD("3", "host", "a host name or an address") },
	{ "port = 0\n", BAD("3", "port", "1 to 65535") },
	{ "mode = turn\n", BAD("3", "mode", "atrn or etrn") },
	{ "tls = never\n", BAD("3", "tls", "implicit or starttls") },
	{ "domains = a.test\\r\n", BAD("3", "domains", "domains such as example.org; "
	  "with mode = etrn also @example.org and #queue") },
};

static void
load_provider(struct conf_provider *p, const char *lines)
{
	static struct conf c;
	char content[512];
	int len = snprintf(content, sizeof content, "hostname = a.b\n[provider isp]\n%s"
	                   "[provider other]\nhost = c.test\n", lines);

	*p = (struct conf_provider){ .name = "isp" };
	put_n(dir, "postern.conf", content, (size_t)len);
	reports[0] = '\0';
	(void)conf_load_provider(&c, p, path_of("postern.conf"), report, NULL);
}

static void
test_providers(void)
{
	struct conf_provider p;
	char want[512];

	for (size_t i = 0; i < LENGTH(providers); i++) {
		load_provider(&p, providers[i].content);
		TEST_STR(said(), "", "provider %s", providers[i].host);
		TEST(p.found && strcmp(p.host, providers[i].host) == 0 &&
		     strcmp(p.domains, providers[i].domains) == 0 && p.login[0] == '/',
		     "provider %s: host %s domains %s", providers[i].host, p.host, p.domains);
	}
	for (size_t i = 0; i < LENGTH(wrong_providers); i++) {
		load_provider(&p, wrong_providers[i].content);
		snprintf(want, sizeof want, "postern.conf%s\n", wrong_providers[i].said);
		TEST_STR(said(), want, "a provider: %s", show(wrong_providers[i].content));
	}
}

static const struct {
	const char *content;
	uint64_t size;
	const char *catchall;
	uint64_t quota, messages;
} domains[] = {
	{ "", 0, "", 0, 0 },
	{ "deliver = maildir\n", 0, "", 0, 0 },
	{ "size = 64K\n", 65536, "", 0, 0 },
	{ "catchall = Info\n", 0, "Info", 0, 0 },
	{ "catchall = j\xc3\xbcrgen\n", 0, "j\xc3\xbcrgen", 0, 0 },
	{ "quota = 1G\n", 0, "", (uint64_t)1 << 30, 0 },
	{ "quota = 50M 1000\n", 0, "", 50 << 20, 1000 },
	{ "quota = 50M \t 1000\n", 0, "", 50 << 20, 1000 },
	{ "quota = 0 5\n", 0, "", 0, 5 },
	{ "deliver = hold\ntls = verify\n", 0, "", 0, 0 },
	{ "deliver = hold:[::1]:2525\netrn = a@b.c, isp\netrn = d\nqueue = night x-1\n", 0, "", 0, 0 },
};

#define DELIVER BAD("1", "deliver", "maildir, mx, hold, hold:[host]:port, smtp:[host]:port, " \
	"lmtp:[host]:port or lmtp:/path")
#define ETRN BAD("2", "etrn", "up to 16 logins such as isp@example.org")
#define CATCHALL BAD("1", "catchall", "the local part of a mailbox of this domain")
#define QUOTA BAD("1", "quota", "octets per mailbox, and optionally messages, such as 1G 10000")

static const struct wrong wrong_domains[] = {
	{ "deliver = held\n", DELIVER },
	{ "deliver = hold:\n", DELIVER },
	{ "deliver = hold\netrn =\n", ETRN },
	{ "deliver = hold\netrn = a b c d e f g h i j k l m n o p q\n", ETRN },
	{ "etrn = a\n", ": no use for 'etrn', expected deliver = hold, or another way of sending" },
	{ "deliver = hold\nqueue = a\n", ": no use for 'queue', expected etrn = LOGIN beside it" },
	{ "deliver = hold\netrn = a\nqueue = Night\n",
	  BAD("3", "queue", "up to 8 names of a-z 0-9 . _ -, each of 32 octets at most") },
	{ "size = 1\n", BAD("1", "size", "octets, 64K or more, such as 25M") },
	{ "catchall =\n", CATCHALL },
	{ "catchall = a\tb\n", CATCHALL },
	{ "quota = lots\n", QUOTA },
	{ "quota = 1G 1 1\n", QUOTA },
	{ "quota =\n", QUOTA },
	{ "\nhostname = a.b\n", ":2: unknown key 'hostname'" },
	{ "[limits]\nsize = 1M\n", ":1: unknown section 'limits'" },
};

static int
load_domain(struct domain *d, const char *name)
{
	reports[0] = '\0';
	errno = 0;
	return conf_load_domain(d, dir, name, report, NULL);
}

static void
test_domains(void)
{
	struct domain d;
	char want[512];

	for (size_t i = 0; i < LENGTH(domains); i++) {
		put(dir, "x.conf", domains[i].content);
		if (TEST(load_domain(&d, "x") == 0, "a domain file: %s is good",
		         show(domains[i].content)))
			TEST(d.size == domains[i].size && d.quota == domains[i].quota &&
			     d.quota_messages == domains[i].messages &&
			     strcmp(d.catchall, domains[i].catchall) == 0, "and its values");
	}
	for (size_t i = 0; i < LENGTH(wrong_domains); i++) {
		put(dir, "x.conf", wrong_domains[i].content);
		TEST(load_domain(&d, "x") == -1, "a domain file: %s is bad",
		     show(wrong_domains[i].content));
		snprintf(want, sizeof want, "domains/x.conf%s\n", wrong_domains[i].said);
		TEST_STR(reports, want, "and the report says where");
	}
}

static void
test_domain_names(void)
{
	struct domain d;
	char *longest = repeat('x', LIMIT_DOMAIN);

	TEST(load_domain(&d, "none") == 1 && reports[0] == '\0', "a domain that is not served");
	TEST(load_domain(&d, longest) == 1 && reports[0] == '\0', "a name too long for a file");
	free(longest);
	MUST(symlinkat("x.conf", dir, "link.conf") == 0);
	TEST(load_domain(&d, "link") == -1 && errno == ELOOP && reports[0] == '\0',
	     "a symbolic link is not followed");
	MUST(mkfifoat(dir, "fifo.conf", 0600) == 0);
	TEST(load_domain(&d, "fifo") == 0, "a fifo does not hang us");
	make_dir(dir, "dir.conf");
	TEST(load_domain(&d, "dir") == -1 && strstr(reports, "cannot be read") != NULL,
	     "a directory is an error");
}

int
main(void)
{
	dir = scratch();
	test_providers();
	test_domains();
	test_domain_names();
	return 0;
}
