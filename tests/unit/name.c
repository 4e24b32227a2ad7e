/* base/name.h: from addresses to directory names, and nothing dangerous on the way. */
#include "base/name.h"

#include "tests/unit/test.h"

#define L63 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"
#define E_ACUTE "\xc3\xa9"       /* U+00E9 */
#define E_COMBINED "e\xcc\x81"   /* U+0065 U+0301 */
#define FAMILY "\xf0\x9f\x91\xa8\xf0\x9f\x91\xa9\xf0\x9f\x91\xa7\xf0\x9f\x91\xa6"

/* want NULL: refused. */
static const struct {
	const char *local, *want;
} mailboxes[] = {
	{ "alice", "alice" },
	{ "ALICE", "alice" },
	{ "a.b_c=d-e", "a.b_c=d-e" },
	{ "alice+tag", "alice" },
	{ "alice+a+b", "alice" },
	{ "alice+", "alice" },
	{ "+tag", NULL },
	{ "+", NULL },
	{ "", NULL },
	{ ".", "%2E" },
	{ "..", "%2E." },
	{ "...", "%2E.." },
	{ ".hidden", "%2Ehidden" },
	{ "a.", "a." },
	{ "../../etc", "%2E.%2F..%2Fetc" },
	{ "/", "%2F" },
	{ "a/b", "a%2Fb" },
	{ "a b", "a%20b" },
	{ "a%2Fb", "a%252fb" },
	{ "%", "%25" },
	{ "a\\b\"c", "a%5Cb%22c" },
	{ "a@b", "a%40b" },
	{ "a~b`c{d}e|f", "a%7Eb%60c%7Bd%7De%7Cf" },
	{ "-rf", "-rf" },
	{ "a\nb", "a%0Ab" },
	{ E_ACUTE, "%C3%A9" },
	{ E_COMBINED, "%C3%A9" },
	{ "R" E_ACUTE "SUM" E_COMBINED, "r%C3%A9sum%C3%A9" },
	{ "\xc3\x89", "%C3%89" },               /* only ASCII is lower-cased */
	{ "\xe2\x84\xab", "%C3%85" },           /* ANGSTROM SIGN is A WITH RING in NFC */
	{ "\xef\xbc\x8f", "%EF%BC%8F" },        /* FULLWIDTH SOLIDUS stays one, encoded */
	{ "\xef\xbc\x8e\xef\xbc\x8e", "%EF%BC%8E%EF%BC%8E" },
	{ FAMILY, "%F0%9F%91%A8%F0%9F%91%A9%F0%9F%91%A7%F0%9F%91%A6" },
	{ "\xff", NULL },
	{ "\xc0\xaf", NULL },
	{ "a\xed\xa0\x80", NULL },
};

static void
test_mailboxes(void)
{
	for (size_t i = 0; i < LENGTH(mailboxes); i++) {
		char out[LIMIT_NAME + 1];
		bool ok = name_mailbox(out, mailboxes[i].local);

		if (mailboxes[i].want == NULL)
			TEST(!ok, "name_mailbox refuses %s", show(mailboxes[i].local));
		else
			TEST_STR(ok ? out : "(refused)", mailboxes[i].want, "name_mailbox %s",
			         show(mailboxes[i].local));
	}
}

/* 64 octets of which each needs three still are a name; NFC may make more of them. */
static void
test_long_mailboxes(void)
{
	char out[LIMIT_NAME + 1];
	char *s = repeat('"', LIMIT_LOCAL);
	char grow[LIMIT_LOCAL + 1] = "";

	TEST(name_mailbox(out, s) && strlen(out) == 3 * LIMIT_LOCAL, "64 octets, all encoded");
	free(s);
	s = repeat('a', LIMIT_NAME);
	TEST(name_mailbox(out, s) && strlen(out) == LIMIT_NAME, "255 octets are a file name");
	free(s);
	s = repeat('a', LIMIT_NAME + 1);
	TEST(!name_mailbox(out, s), "256 octets are none");
	s[0] = '"';
	s[LIMIT_NAME - 1] = '\0';
	TEST(!name_mailbox(out, s), "254 octets, one of them encoded, are none");
	free(s);
	/* U+1D160 becomes three characters, 12 octets, in NFC: 16 of them 192. */
	for (int i = 0; i < LIMIT_LOCAL / 4; i++)
		memcpy(grow + (size_t)i * 4, "\xf0\x9d\x85\xa0", 4);
	TEST(!name_mailbox(out, grow), "64 octets that NFC makes 192 of are refused, not cut");
}

static const struct {
	const char *domain, *want;
} domains[] = {
	{ "example.org", "example.org" },
	{ "EXAMPLE.Org", "example.org" },
	{ "x", "x" },
	{ L63 "." L63 "." L63 "." L63, L63 "." L63 "." L63 "." L63 },
	{ "b\xc3\xbc" "cher.example", "xn--bcher-kva.example" },
	{ "B\xc3\x9c" "CHER.Example", "xn--bcher-kva.example" },
	{ "bu\xcc\x88" "cher.example", "xn--bcher-kva.example" },
	{ "XN--BCHER-KVA.example", "xn--bcher-kva.example" },
	{ "stra\xc3\x9f" "e.example", "xn--strae-oqa.example" },
	{ "\xe4\xbe\x8b\xe5\xad\x90.\xe5\xb9\xbf\xe5\x91\x8a", "xn--fsqu00a.xn--4rr70v" },
	{ "\xea\xb0\x80\xea\xb0\x81\xea\xb0\x82\xea\xb0\x83\xea\xb0\x84\xea\xb0\x85\xea\xb0\x86"
	  "\xea\xb0\x87\xea\xb0\x88\xea\xb0\x89\xea\xb0\x8a\xea\xb0\x8b\xea\xb0\x8c\xea\xb0\x8d"
	  "\xea\xb0\x8e\xea\xb0\x8f\xea\xb0\x90\xea\xb0\x91\xea\xb0\x92\xea\xb0\x93\xea\xb0\x94"
	  "\xea\xb0\x95.example", "xn--o39acdefghijklmnopqrstuvw.example" },
	{ "", NULL },
	{ ".", NULL },
	{ "..", NULL },
	{ "a..b", NULL },
	{ ".a", NULL },
	{ "a.", NULL },
	{ "a/b", NULL },
	{ "../a", NULL },
	{ "a_b", NULL },
	{ "-a", NULL },
	{ "a b", NULL },
	{ "[192.0.2.1]", NULL },
	{ L63 "x.example", NULL },
	{ L63 "." L63 "." L63 "." L63 ".x", NULL },
	{ "b\xfc" "cher.example", NULL },
	{ "a\xef\xbc\x8f" "b.example", NULL },          /* FULLWIDTH SOLIDUS maps to "/" */
	{ "\xe3\x80\x82\xe3\x80\x82", NULL },           /* IDEOGRAPHIC FULL STOPs */
	{ "a\xe3\x80\x82" "b", "a.b" },                 /* one between labels is a dot */
	{ "\xe2\x80\x8d.example", NULL },               /* a joiner joins nothing */
	{ "\xe2\x80\x8f" "a.example", NULL },           /* RIGHT-TO-LEFT MARK */
	{ "\xcc\x81" "a.example", NULL },               /* begins with a combining mark */
};

static void
test_domains(void)
{
	for (size_t i = 0; i < LENGTH(domains); i++) {
		char out[LIMIT_NAME + 1];
		bool ok = name_domain(out, domains[i].domain);

		if (domains[i].want == NULL)
			TEST(!ok, "name_domain refuses %s", show(domains[i].domain));
		else
			TEST_STR(ok ? out : "(refused)", domains[i].want, "name_domain %s",
			         show(domains[i].domain));
	}
}

static void
test_back(void)
{
	static const struct {
		const char *name, *want;
	} rows[] = {
		{ "alice", "alice" },
		{ "%2E.%2Fetc", "../etc" },
		{ "r%C3%A9sum%C3%A9", "r" E_ACUTE "sum" E_ACUTE },
		{ "", NULL },
		{ "%", NULL },
		{ "%2", NULL },
		{ "%2e", NULL },
		{ "%2G", NULL },
		{ "%G2", NULL },
		{ "%00", NULL },
		{ "a%", NULL },
		{ "Alice", NULL },
		{ "a b", NULL },
		{ "lost+found", NULL },
		{ "\xc3\xa9", NULL },
	};
	char out[LIMIT_LOCAL + 1], name[LIMIT_NAME + 1];
	char *s = repeat('a', LIMIT_LOCAL + 1);

	for (size_t i = 0; i < LENGTH(rows); i++) {
		bool ok = name_to_local(out, rows[i].name);

		if (rows[i].want == NULL)
			TEST(!ok, "name_to_local refuses %s", show(rows[i].name));
		else
			TEST_STR(ok ? out : "(refused)", rows[i].want, "name_to_local %s",
			         show(rows[i].name));
	}
	TEST(!name_to_local(out, s), "name_to_local refuses 65 octets");
	free(s);
	for (size_t i = 0; i < LENGTH(mailboxes); i++)
		if (mailboxes[i].want != NULL)
			TEST(name_to_local(out, mailboxes[i].want) && name_mailbox(name, out) &&
			     strcmp(name, mailboxes[i].want) == 0, "there and back: %s",
			     mailboxes[i].want);
}

static void
test_plain(void)
{
	static const char *const plain[] = {
		"a", "Z", "0", "-", "_", "a.", "6b03029aba16b.1.1", "1.2_p3", "example.org", "a..b",
	};
	static const char *const others[] = {
		"", ".", "..", ".a", "/", "a/b", "../a", "a b", "a\n", "a%2F", "a+b", "a=b", "a\\b",
		"a~", E_ACUTE, "a\xff",
	};

	for (size_t i = 0; i < LENGTH(plain); i++)
		TEST(name_is_plain(plain[i]), "name_is_plain %s", show(plain[i]));
	for (size_t i = 0; i < LENGTH(others); i++)
		TEST(!name_is_plain(others[i]), "name_is_plain refuses %s", show(others[i]));
}

/* Every octet, alone and behind a letter: never a "/", a NUL, a dot name. */
static void
test_octets(void)
{
	bool good = true;

	for (int c = 1; c < 128; c++) {
		char local[3][3] = { { (char)c }, { 'a', (char)c }, { (char)c, '.' } };

		for (int k = 0; k < 3; k++) {
			char out[LIMIT_NAME + 1], back[LIMIT_LOCAL + 1];

			if (!name_mailbox(out, local[k]))
				good &= c == '+' && k != 1;
			else
				good &= out[0] != '.' && out[strspn(out,
				        "abcdefghijklmnopqrstuvwxyzABCDEF0123456789%_=.-")] == '\0' &&
				        name_to_local(back, out);
		}
	}
	TEST(good, "every ASCII octet makes a safe name");
}

int
main(void)
{
	test_mailboxes();
	test_long_mailboxes();
	test_domains();
	test_back();
	test_plain();
	test_octets();
	return 0;
}
