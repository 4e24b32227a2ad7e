/* base/conf.h: every key with good and bad values, and what the errors say. */
#include "tests/unit/conf.h"

#define NETWORKS "addresses or networks such as 192.0.2.0/24 2001:db8::/32, host bits zero"
#define HOST "a host name such as mx.example.org (A-labels)"
#define MECHANISMS "names of SASL mechanisms such as PLAIN LOGIN SCRAM-SHA-256, or none"
#define PATHS "one or two paths, \"quoted\" where they hold a blank or comma, given once; in a " \
	"section [tls NAME] with a domain name, of which 32 may be"
#define LONG "a.very.long.name.of.a.mail.host.in.a.deep.tree.example"
#define RESOLVERS "up to 8 resolvers, each ADDRESS or ADDRESS@PORT"
#define DAYS "a time such as 5m, 1s to 7d"

/* A value of one key; expected NULL: it is good. */
static const struct {
	const char *section, *key, *value, *expected;
} keys[] = {
	{ "", "hostname", "mx.example.org", NULL },
	{ "", "hostname", "", HOST },
	{ "", "hostname", "m\xc3\xbc.example", HOST },
	{ "", "hostname", "mx_1.example", HOST },
	{ "", "hostname", "[192.0.2.1]", HOST },
	{ "", "hostname", "mx.example.org # no inline comments", HOST },
	{ "", "state", "/var/lib/x", NULL },
	{ "", "state", "relative/one", NULL },
	{ "", "state", "", "a directory" },
	{ "", "postmaster", "admin@example.org", NULL },
	{ "", "postmaster", "\"a b\"@example.org", NULL },
	{ "", "postmaster", "admin", "an address such as admin@example.org" },
	{ "", "postmaster", "<admin@example.org>", "an address such as admin@example.org" },
	{ "", "postmaster", "", "an address such as admin@example.org" },
	{ "", "relay-from", "192.0.2.0/24", NULL },
	{ "", "relay-from", "192.0.2.0/24, 2001:db8::/32\t10.1.1.1", NULL },
	{ "", "relay-from", "", NULL },
	{ "", "relay-from", "192.0.2.1/24", NETWORKS },
	{ "", "relay-from", "localhost", NETWORKS },
	{ "", "relay-from", "192.0.2.0/24;10.0.0.0/8", NETWORKS },
	{ "", "proxies", "127.0.0.1 ::1", NULL },
	{ "", "proxies", "proxy.example", NETWORKS },
	{ "", "xclient", "127.0.0.0/8", NULL },
	{ "", "xclient", "127.0.0.0/33", NETWORKS },
	{ "", "session-user", "1000", NULL },
	{ "", "session-user", "0",
	  "the number of a user, 1 to 65533 (no name: sessions look up nothing)" },
	{ "", "session-user", "nobody",
	  "the number of a user, 1 to 65533 (no name: sessions look up nothing)" },
	{ "", "session-reuse", "1", NULL },
	{ "", "session-reuse", "0", "1 to 1000000 connections" },
	{ "", "size", "64K", NULL },
	{ "", "size", "1T", NULL },
	{ "", "size", "65535", "octets, 64K or more, such as 25M" },
	{ "", "size", "2T", "octets, 64K or more, such as 25M" },
	{ "", "size", "25 M", "octets, 64K or more, such as 25M" },
	{ "", "vrfy", "yes", NULL },
	{ "", "vrfy", "no", NULL },
	{ "", "vrfy", "true", "yes or no" },
	{ "", "vrfy", "YES", "yes or no" },
	{ "", "greeting-delay", "0", NULL },
	{ "", "greeting-delay", "1m", NULL },
	{ "", "greeting-delay", "61", "0 to 60 seconds" },
	{ "limits", "recipients", "100", NULL },
	{ "limits", "recipients", "1000", NULL },
	{ "limits", "recipients", "99", "100 to 1000" },
	{ "limits", "recipients", "1001", "100 to 1000" },
	{ "limits", "messages", "1", NULL },
	{ "limits", "messages", "0", "1 to 1000000" },
	{ "limits", "errors", "1000000", NULL },
	{ "limits", "errors", "1000001", "1 to 1000000" },
	{ "limits", "received", "10", NULL },
	{ "limits", "received", "9", "10 to 1000" },
	{ "limits", "connections", "10000", NULL },
	{ "limits", "connections", "10001", "1 to 10000" },
	{ "limits", "connections-per-source", "1", NULL },
	{ "limits", "connections-per-source", "0", "1 to 10000" },
	{ "limits", "rate", "0", NULL },
	{ "limits", "rate", "-1", "0 to 1000000 connections a minute" },
	{ "", "auth", "/usr/bin/checkpassword /bin/true", NULL },
	{ "", "auth", "", "a program and its arguments" },
	{ "", "auth-order", "challenge-response", NULL },
	{ "", "auth-order", "response-challenge", NULL },
	{ "", "auth-order", "both", "challenge-response or response-challenge" },
	{ "", "auth-without-tls", "yes", NULL },
	{ "", "auth-without-tls", "maybe", "yes or no" },
	{ "", "mechanisms", "none", NULL },
	{ "", "mechanisms", "plain, LOGIN CRAM-MD5 DIGEST-MD5", NULL },
	{ "", "mechanisms", "", MECHANISMS },
	{ "", "mechanisms", "PLAIN GSSAPI", MECHANISMS },
	{ "", "sender-check", "yes", NULL },
	{ "", "sender-check", "no", NULL },
	{ "", "sender-check", "submission", NULL },
	{ "", "sender-check", "always", "yes, no or submission" },
	{ "", "tls-client-ca", "ca.pem", NULL },
	{ "", "tls-client-ca", "", "a file of certificates" },
	{ "", "tls-cert", "a b c", PATHS },
	{ "", "tls-key", "", PATHS },
	{ "tls -x", "cert", "a", PATHS },
	{ "tls m\xc3\xbc.test", "key", "a", PATHS },
	{ "sockets", "tls", "/run/x/tls", NULL },
	{ "sockets", "auth", "", "a path of at most 107 octets" },
	{ "", "tls-ca", "ca.pem", NULL },
	{ "", "tls-ca", "", "a file of certificates" },
	{ "", "dns", "192.0.2.1 2001:db8::1@5353, 127.0.0.1@53", NULL },
	{ "", "dns", "", RESOLVERS },
	{ "", "dns", "localhost", RESOLVERS },
	{ "", "dns", "192.0.2.1@0", RESOLVERS },
	{ "", "dns", "192.0.2.1@65536", RESOLVERS },
	{ "", "dns", "192.0.2.1:53", RESOLVERS },
	{ "", "dns", "::1 ::2 ::3 ::4 ::5 ::6 ::7 ::8", NULL },
	{ "", "dns", "::1 ::2 ::3 ::4 ::5 ::6 ::7 ::8 ::9", RESOLVERS },
	{ "", "dns-anchor", "root.key", NULL },
	{ "", "dns-anchor", "none", NULL },
	{ "", "dns-anchor", "", "a file of DNSSEC trust anchors, or none" },
	{ "timeouts", "dns", "20s", NULL },
	{ "timeouts", "dns", "31", "a time such as 20s, 1s to 30s" },
	{ "timeouts", "handshake", "1", NULL },
	{ "timeouts", "handshake", "2h", "a time such as 30s, 1s to 4m" },
	{ "timeouts", "command", "7d", NULL },
	{ "timeouts", "command", "0", DAYS },
	{ "timeouts", "data", "1s", NULL },
	{ "timeouts", "data", "8d", DAYS },
	{ "timeouts", "session", "2h", NULL },
	{ "timeouts", "session", "2x", "a time such as 2h, 1s to 7d" },
	{ "timeouts", "idle", "60", NULL },
	{ "timeouts", "idle", "59", "a time such as 5m, 60s to 7d" },
	{ "timeouts", "stop", "0", NULL },
	{ "timeouts", "stop", "2h", "a time such as 30s, 0s to 1h" },
};

static void
test_keys(void)
{
	static struct conf c;

	for (size_t i = 0; i < LENGTH(keys); i++) {
		bool host = strcmp(keys[i].key, "hostname") == 0;
		char content[256], want[256] = "";

		snprintf(content, sizeof content, "%s%s%s%s\n%s = %s\n",
		         host ? "# nothing" : "hostname = mx.test",
		         keys[i].section[0] != '\0' ? "\n[" : "", keys[i].section,
		         keys[i].section[0] != '\0' ? "]" : "", keys[i].key, keys[i].value);
		if (keys[i].expected != NULL)
			snprintf(want, sizeof want,
			         "postern.conf:%d: bad value for '%s', expected %s\n",
			         keys[i].section[0] != '\0' ? 3 : 2, keys[i].key,
			         keys[i].expected);
		unsigned errors = load(&c, content, strlen(content));

		if (TEST(errors == (keys[i].expected != NULL), "%s = %s is %s", keys[i].key,
		         show(keys[i].value), keys[i].expected == NULL ? "good" : "bad") &&
		    keys[i].expected != NULL)
			TEST_STR(said(), want, "and the report says where");
	}
}

/* Whole files, and all that is said about them. */
static const struct {
	const char *name, *content, *want;
} files[] = {
	{ "an empty file", "", "postern.conf: missing key 'hostname', expected " HOST "\n" },
	{ "comments and blanks", "# c\n\n; c\n   \nhostname = a.b\n   # c\n", "" },
	{ "CRLF, no last line end, a colon", "hostname: a.b\r\nsize=1M", "" },
	{ "a byte order mark", "\xef\xbb\xbfhostname = a.b\n", "" },
	{ "unknown key", "hostname = a.b\nhostnam = x\n",
	  "postern.conf:2: unknown key 'hostnam'\n" },
	{ "a key of another section", "hostname = a.b\n[limits]\nsize = 1M\n",
	  "postern.conf:3: unknown key 'size'\n" },
	{ "keys are lower-case", "Hostname = a.b\n", "postern.conf:1: unknown key 'Hostname'\n" },
	{ "unknown section", "hostname = a.b\n[lim]\nrecipients = 100\n",
	  "postern.conf:2: unknown section 'lim'\n" },
	{ "unknown section after a good one", "hostname = a.b\n[limits]\nerrors = 5\n[x]\ny = 1\n",
	  "postern.conf:4: unknown section 'x'\n" },
	{ "a good section after an unknown one", "hostname = a.b\n[x]\n[limits]\ny = 1\n",
	  "postern.conf:2: unknown section 'x'\npostern.conf:4: unknown key 'y'\n" },
	{ "an unnamed section is the start again", "hostname = a.b\n[]\nsize = 1M\n", "" },
	{ "a section of 100 octets is not repeated",
	  "hostname = a.b\n[xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx]\n", "postern.conf:2: unknown section '(very long)'\n" },
	{ "unknown section without keys", "hostname = a.b\n[nonsense]\n",
	  "postern.conf:2: unknown section 'nonsense'\n" },
	{ "given twice", "hostname = a.b\nsize = 1M\nsize = 2M\n",
	  "postern.conf:3: given twice: 'size', expected one line\n" },
	{ "relay-from may be repeated",
	  "hostname = a.b\nrelay-from = 192.0.2.1\nrelay-from = 192.0.2.2\n", "" },
	{ "relay-from goes on in the next line",
	  "hostname = a.b\nrelay-from = 192.0.2.1\n\t192.0.2.2\n", "" },
	{ "two certificates", "hostname = a.b\ntls-cert = e.pem r.pem\ntls-key = e.key r.key\n", "" },
	{ "a certificate without its key", "hostname = a.b\ntls-cert = e.pem\n",
	  "postern.conf: keys and certificates do not pair: 'tls-key', expected as many keys "
	  "as certificates, in one order\n" },
	{ "names without a default",
	  "hostname = a.b\n[tls c.d]\ncert = e.pem\nkey = e.key\n[tls e.f]\ncert = g\nkey = h\n",
	  "postern.conf: missing key 'tls-cert', expected a certificate for clients that ask "
	  "for no name\n" },
	{ "a name's certificate twice",
	  "hostname = a.b\n[tls c.d]\ncert = e.pem\ncert = f.pem\n",
	  "postern.conf:4: bad value for 'cert', expected " PATHS "\n" },
	{ "a quotation that is left open", "hostname = a.b\ntls-cert = \"e.pem\n",
	  "postern.conf:2: bad value for 'tls-cert', expected " PATHS "\n" },
	{ "a quotation with something behind it", "hostname = a.b\ntls-cert = \"e\".pem\n",
	  "postern.conf:2: bad value for 'tls-cert', expected " PATHS "\n" },
	{ "a quotation with nothing in it", "hostname = a.b\ntls-key = \"\"\n",
	  "postern.conf:2: bad value for 'tls-key', expected " PATHS "\n" },
	{ "three words that were to be one path",
	  "hostname = a.b\ntls-cert = /etc/my own files/e.pem\n",
	  "postern.conf:2: bad value for 'tls-cert', expected " PATHS "\n" },
	{ "a section of a name that is none", "hostname = a.b\n[tls " LONG "..b]\ncert = a\n",
	  "postern.conf:3: bad value for 'cert', expected " PATHS "\n" },
	{ "a long section that is none of ours", "hostname = a.b\n[x" LONG "]\ncert = a\n",
	  "postern.conf:2: unknown section 'x" LONG "'\n" },
	{ "a section too long for a domain",
	  "hostname = a.b\n[tls " LONG LONG LONG LONG LONG "]\ncert = a\n",
	  "postern.conf:2: unknown section '(very long)'\n" },
	{ "an indented one that libinih would cut", "hostname = a.b\n[limits]\n  [tls " LONG "]\ncert = a\n",
	  "postern.conf:4: unknown section '(very long)'\n" },
	{ "not key = value", "hostname = a.b\nwhat is this\nsize = 1M\n",
	  "postern.conf:2: not understood, expected [section], key = value or # comment\n" },
	{ "an open section", "hostname = a.b\n[limits\n",
	  "postern.conf:2: not understood, expected [section], key = value or # comment\n" },
	{ "several errors are all told", "hostname = a.b\nx = 1\nsize = 1\nvrfy = maybe\n",
	  "postern.conf:2: unknown key 'x'\n"
	  "postern.conf:3: bad value for 'size', expected octets, 64K or more, such as 25M\n"
	  "postern.conf:4: bad value for 'vrfy', expected yes or no\n" },
	{ "a very long key is not repeated",
	  "hostname = a.b\nkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
	  "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk = x\n",
	  "postern.conf:2: unknown key '(very long)'\n" },
};

static void
test_files(void)
{
	static struct conf c;
	static const char nul[] = "hostname = a.b\nstate = /x\0y\n";

	for (size_t i = 0; i < LENGTH(files); i++) {
		(void)load(&c, files[i].content, strlen(files[i].content));
		TEST_STR(said(), files[i].want, "%s", files[i].name);
	}
	(void)load(&c, nul, sizeof nul - 1);
	TEST(strcmp(c.state, "/x") != 0, "a NUL does not cut a value short");
	reports[0] = '\0';
	TEST(conf_load(&c, path_of("none.conf"), report, NULL) == 1, "no such file");
	TEST_STR(said(), "none.conf: cannot be opened: 'No such file or directory'\n",
	         "and the report says why");
	reports[0] = '\0';
	TEST(conf_load(&c, test_dir, report, NULL) > 0 && strstr(reports, "cannot be read"),
	     "a directory is no file");
}

/* Debian's libinih would split a long line in silence. */
static void
test_long_lines(void)
{
	static const struct {
		size_t len;
		bool good;
	} rows[] = {
		{ 199, true }, { 200, true }, { 201, true }, { 1000, true }, { 4000, true },
		{ 4200, false }, { 70000, false },
	};
	static struct conf c;

	for (size_t i = 0; i < LENGTH(rows); i++) {
		static char content[80000];
		int n = snprintf(content, sizeof content, "hostname = a.b\n# ");
		unsigned errors;

		memset(content + n, 'x', rows[i].len - 2);
		memcpy(content + (size_t)n + rows[i].len - 2, "\nsize = 7M\n", 12);
		errors = load(&c, content, strlen(content));
		if (rows[i].good)
			TEST(errors == 0 && c.size == 7 << 20, "a line of %zu octets", rows[i].len);
		else
			TEST_STR(said(), "postern.conf:2: line too long, expected at most "
			         "4000 octets\n", "a line of %zu octets", rows[i].len);
	}
}

static void
test_tls(void)
{
	static const char content[] = "hostname = a.b\ntls-cert = e.pem /r.pem\n"
		"tls-key = e.key /r.key\ntls-client-ca = ca.pem\n"
		"[tls C.d]\ncert = c.pem\nkey = c.key\n[sockets]\ntls = run/tls\n";
	static struct conf_tls t;
	static struct conf c;

	(void)load(&c, content, strlen(content));
	TEST(c.tls && c.tls_files == NULL, "a certificate means that TLS is offered");
	TEST(conf_load_tls(&c, &t, path_of("postern.conf"), report, NULL) == 0, "read again");
	TEST(t.n == 2 && t.at[0].certs == 2 && t.at[0].keys == 2 && t.at[1].certs == 1,
	     "two identities");
	TEST_STR(t.at[0].cert[0], path_of("e.pem"), "paths lie beside the file");
	TEST_STR(t.at[0].key[1], "/r.key", "or are whole");
	TEST_STR(t.at[1].name, "C.d", "the section's name");
	TEST_STR(t.client_ca, path_of("ca.pem"), "the clients' authority");
	TEST_STR(c.tls_socket, path_of("run/tls"), "a socket too");
	TEST_STR(c.auth_socket, CONF_DEFAULT_RUN "/auth", "the units' one by default");
	(void)load(&c, "hostname = a.b\nstate = state\n", 27 + 2);
	TEST(c.tls_socket[0] == '\0' && c.auth_socket[0] == '\0' && !c.tls,
	     "a tree of its own starts its helpers itself");
}

/* libinih keeps 49 octets of a section's name; a domain has up to 253. */
static void
test_long_names(void)
{
	static const char content[] = "hostname = a.b\ntls-cert = e\ntls-key = f\n"
		"[tls " LONG "." LONG "." LONG "." LONG ".org]\ncert = g\nkey = h\n"
		"[limits]\nerrors = 7\n"
		"[tls " LONG "." LONG "." LONG "." LONG ".net]\ncert = i\nkey = j\n";
	static struct conf_tls t;
	static struct conf c;

	TEST(load(&c, content, strlen(content)) == 0, "names of 223 octets are read");
	(void)conf_load_tls(&c, &t, path_of("postern.conf"), report, NULL);
	TEST(t.n == 3 && c.errors == 7, "each is a section of its own");
	TEST_STR(t.at[1].name, LONG "." LONG "." LONG "." LONG ".org", "the first");
	TEST_STR(t.at[2].name, LONG "." LONG "." LONG "." LONG ".net", "the second");
	TEST_STR(t.at[2].key[0], path_of("j"), "with its key");
}

static void
test_quoted_paths(void)
{
	static const char content[] = "hostname = a.b\n"
		"tls-cert = \"my e, 1.pem\", \"/r s.pem\"\ntls-key=e\"1.key \"/r s.key\"\n";
	static struct conf_tls t;
	static struct conf c;

	TEST(load(&c, content, strlen(content)) == 0, "quoted paths are read");
	(void)conf_load_tls(&c, &t, path_of("postern.conf"), report, NULL);
	TEST(t.n == 1 && t.at[0].certs == 2 && t.at[0].keys == 2, "two of each");
	TEST_STR(t.at[0].cert[0], path_of("my e, 1.pem"), "with blank and comma");
	TEST_STR(t.at[0].cert[1], "/r s.pem", "and the next one");
	TEST_STR(t.at[0].key[0], path_of("e\"1.key"), "a mark within is the path's");
	TEST_STR(t.at[0].key[1], "/r s.key", "beside one that is quoted");
}

static void
test_many_networks(void)
{
	static struct conf c;
	static char content[16384];
	int n = snprintf(content, sizeof content, "hostname = a.b\n");

	for (int i = 0; i < LIMIT_NETWORKS; i++)
		n += snprintf(content + n, sizeof content - (size_t)n,
		              "relay-from = 10.0.%d.0/24\n", i);
	TEST(load(&c, content, (size_t)n) == 0 && c.relay_from.n == LIMIT_NETWORKS,
	     "LIMIT_NETWORKS networks");
	n += snprintf(content + n, sizeof content - (size_t)n, "relay-from = 10.1.0.0/24\n");
	TEST(load(&c, content, (size_t)n) == 1, "one network more is an error");
}

static void
test_defaults(void)
{
	static struct conf c;
	const char *content = "hostname = MX.example.org\nstate = state\n";

	MUST(load(&c, content, strlen(content)) == 0);
	TEST(c.size == 25 << 20 && c.recipients == 100 && c.messages == 1000 && c.errors == 20 &&
	     c.received == 100 && c.command == 300 && c.data == 300 && c.session == 7200 &&
	     !c.vrfy && c.greeting_delay == 0 && c.session_user == 0 && c.relay_from.n == 0 &&
	     c.session_reuse == 100 && c.postmaster.local[0] == '\0', "the defaults");
	TEST_STR(c.state, path_of("state"), "a relative state lies beside the file");
	TEST_STR(c.domains, path_of("domains"), "domains/ lies beside the file");
	TEST_STR(c.file, path_of("postern.conf"), "the file's name is kept");
}

int
main(void)
{
	dir = scratch();
	test_keys();
	test_files();
	test_long_lines();
	test_long_names();
	test_quoted_paths();
	test_tls();
	test_many_networks();
	test_defaults();
	return 0;
}
