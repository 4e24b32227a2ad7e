/* base/address.h: the Mailbox grammar of RFC 5321 4.1.2, 4.1.3 and RFC 6531 3.3. */
#include "base/address.h"

#include "tests/unit/test.h"

#define L63 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"
#define LOCAL64 "a" L63
#define DOMAIN255 L63 "." L63 "." L63 "." L63

/* local NULL: refused. The domain is what stands behind the last "@". */
static const struct {
	const char *s, *local;
} mailboxes[] = {
	/* Dot-string */
	{ "a@b", "a" },
	{ "alice@example.org", "alice" },
	{ "alice.b.c@example.org", "alice.b.c" },
	{ "ALICE@EXAMPLE.ORG", "ALICE" },
	{ "alice+tag@example.org", "alice+tag" },
	{ "!#$%&'*+-/=?^_`{|}~@example.org", "!#$%&'*+-/=?^_`{|}~" },
	{ "0@example.org", "0" },
	{ "-@example.org", "-" },
	{ LOCAL64 "@example.org", LOCAL64 },
	{ LOCAL64 "x@example.org", NULL },
	{ "@example.org", NULL },
	{ ".a@example.org", NULL },
	{ "a.@example.org", NULL },
	{ "a..b@example.org", NULL },
	{ "a b@example.org", NULL },
	{ " a@example.org", NULL },
	{ "a@example.org ", NULL },
	{ "a(comment)@example.org", NULL },
	{ "a,b@example.org", NULL },
	{ "a:b@example.org", NULL },
	{ "a;b@example.org", NULL },
	{ "a<b>@example.org", NULL },
	{ "a[b]@example.org", NULL },
	{ "a\\b@example.org", NULL },
	{ "a\tb@example.org", NULL },
	{ "a\x7f@example.org", NULL },
	{ "a\x01@example.org", NULL },
	{ "a@b@example.org", NULL },
	{ "a", NULL },
	{ "a@", NULL },
	{ "@", NULL },
	{ "", NULL },
	/* Quoted-string */
	{ "\"a\"@example.org", "a" },
	{ "\"a b\"@example.org", "a b" },
	{ "\"a@b\"@example.org", "a@b" },
	{ "\"a\\\"b\"@example.org", "a\"b" },
	{ "\"a\\\\b\"@example.org", "a\\b" },
	{ "\"\\a\"@example.org", "a" },
	{ "\".a..\"@example.org", ".a.." },
	{ "\"../../etc/passwd\"@example.org", "../../etc/passwd" },
	{ "\"<>()[],;:\"@example.org", "<>()[],;:" },
	{ "\" \"@example.org", " " },
	{ "\"" LOCAL64 "\"@example.org", LOCAL64 },
	{ "\"" LOCAL64 "x\"@example.org", NULL },
	{ "\"\"@example.org", NULL },
	{ "\"a@example.org", NULL },
	{ "\"a\\\"@example.org", NULL },
	{ "a\"@example.org", NULL },
	{ "\"a\"b@example.org", NULL },
	{ "a\"b\"@example.org", NULL },
	{ "\"a\".b@example.org", NULL },
	{ "\"a\tb\"@example.org", NULL },
	{ "\"a\\\tb\"@example.org", NULL },
	{ "\"a\rb\"@example.org", NULL },
	{ "\"a\nb\"@example.org", NULL },
	{ "\"a\x7f\"@example.org", NULL },
	{ "\"", NULL },
	{ "\"\\", NULL },
	/* Domain */
	{ "a@x", "a" },
	{ "a@1", "a" },
	{ "a@1.2.3.4", "a" },
	{ "a@x-y.z--w", "a" },
	{ "a@xn--bcher-kva.example", "a" },
	{ "a@" L63, "a" },
	{ "a@" DOMAIN255, "a" },
	{ "a@" L63 "x", NULL },
	{ "a@x." L63 "x", NULL },
	{ "a@" DOMAIN255 "x", NULL },
	{ "a@" L63 "." L63 "." L63 "." L63 ".x", NULL },
	{ "a@.", NULL },
	{ "a@.x", NULL },
	{ "a@x.", NULL },
	{ "a@x..y", NULL },
	{ "a@-x", NULL },
	{ "a@x-", NULL },
	{ "a@x-.y", NULL },
	{ "a@x.-y", NULL },
	{ "a@x_y", NULL },
	{ "a@x y", NULL },
	{ "a@x/y", NULL },
	{ "a@*", NULL },
	{ "a@x\x01", NULL },
	/* address-literal, RFC 5321 4.1.3 */
	{ "a@[192.0.2.1]", "a" },
	{ "a@[IPv6:2001:db8::1]", "a" },
	{ "a@[ipv6:::]", "a" },
	{ "a@[IPv6:::ffff:192.0.2.1]", "a" },
	{ "a@[tag:content]", "a" },
	{ "a@[x-y:!%^~]", "a" },
	{ "a@[]", NULL },
	{ "a@[192.0.2.1", NULL },
	{ "a@192.0.2.1]", NULL },
	{ "a@[192.0.2.1]x", NULL },
	{ "a@[192.0.2]", NULL },
	{ "a@[192.0.2.256]", NULL },
	{ "a@[ 192.0.2.1]", NULL },
	{ "a@[example]", NULL },
	{ "a@[2001:db8::1]x", NULL },
	{ "a@[IPv6:]", NULL },
	{ "a@[IPv6:192.0.2.1]", NULL },
	{ "a@[IPv6:1:2]", NULL },
	{ "a@[IPv6:fe80::1%lo]", NULL },
	{ "a@[:x]", NULL },
	{ "a@[x:]", NULL },
	{ "a@[x-:y]", NULL },
	{ "a@[x_y:z]", NULL },
	{ "a@[x:y z]", NULL },
	{ "a@[x:[y]", NULL },
	{ "a@[x:\\y]", NULL },
	{ "a@[x:\xc3\xa9]", NULL },
	/* RFC 6531 3.3: UTF-8 in atoms, quoted strings and labels */
	{ "j\xc3\xbcrgen@example.org", "j\xc3\xbcrgen" },
	{ "\xe7\x94\xa8\xe6\x88\xb7@\xe4\xbe\x8b\xe5\xad\x90.\xe5\xb9\xbf\xe5\x91\x8a",
	  "\xe7\x94\xa8\xe6\x88\xb7" },
	{ "\"j\xc3\xbc r\"@example.org", "j\xc3\xbc r" },
	{ "\xf0\x9f\x93\xac@example.org", "\xf0\x9f\x93\xac" },
	{ "a@b\xc3\xbc" "cher.example", "a" },
	{ "\xc3@example.org", NULL },                 /* cut short */
	{ "\xff@example.org", NULL },
	{ "\xc0\xaf@example.org", NULL },             /* overlong "/" */
	{ "\xed\xa0\x80@example.org", NULL },         /* a surrogate */
	{ "\xf4\x90\x80\x80@example.org", NULL },     /* past U+10FFFF */
	{ "\xbc@example.org", NULL },
	{ "a@b\xfc" "cher.example", NULL },
	{ "a@b\xc3.example", NULL },
};

static void
test_mailboxes(void)
{
	for (size_t i = 0; i < LENGTH(mailboxes); i++) {
		const char *s = mailboxes[i].s;
		const char *at = strrchr(s, '@');
		struct address a;
		bool ok = parse_address(s, &a);

		if (mailboxes[i].local == NULL)
			TEST(!ok, "no Mailbox: %s", show(s));
		else
			TEST(ok && strcmp(a.local, mailboxes[i].local) == 0 &&
			     strcmp(a.domain, at + 1) == 0 && is_address_safe(a.local, a.domain),
			     "a Mailbox: %s", show(s));
	}
}

/* How far address_read gets where more follows. */
static void
test_read(void)
{
	static const struct {
		const char *s;
		size_t want;
	} rows[] = {
		{ "a@b>", 3 },        { "a@b> SIZE=1", 3 }, { "a@b,c", 3 },
		{ "\"x y\"@b c", 7 }, { "a@[1.2.3.4]>", 11 }, { "a@b\r", 3 },
		{ "a@b.>", 0 },       { "a@b->", 0 },       { "<a@b>", 0 },
		{ "a@>", 0 },         { "a>@b", 0 },        { "a@[1.2.3.4>]", 0 },
	};
	struct address a;

	for (size_t i = 0; i < LENGTH(rows); i++)
		TEST(address_read(&a, rows[i].s, strlen(rows[i].s)) == rows[i].want,
		     "address_read %s takes %zu", show(rows[i].s), rows[i].want);
	TEST(address_read(&a, "a@bc", 3) == 3 && strcmp(a.domain, "b") == 0,
	     "address_read stops at its length");
	TEST(address_read(&a, "a@b\0c", 5) == 3, "address_read stops at a NUL");
	TEST(address_read(&a, "a\0@b", 4) == 0, "address_read: no NUL in a local-part");
	TEST(address_read(&a, "\"a\0\"@b", 6) == 0, "address_read: no NUL between quotes");
	TEST(address_read(&a, "", 0) == 0, "address_read of nothing");
}

/* The form that is written: quoted only where it must be, and it reads back. */
static void
test_text(void)
{
	static const struct {
		struct address a;
		const char *want;
	} rows[] = {
		{ { "alice", "example.org" }, "alice@example.org" },
		{ { "a.b", "x" }, "a.b@x" },
		{ { "a b", "x" }, "\"a b\"@x" },
		{ { ".a", "x" }, "\".a\"@x" },
		{ { "a.", "x" }, "\"a.\"@x" },
		{ { "a\"\\b", "x" }, "\"a\\\"\\\\b\"@x" },
		{ { "a@b", "[192.0.2.1]" }, "\"a@b\"@[192.0.2.1]" },
		{ { "j\xc3\xbcrgen", "x" }, "j\xc3\xbcrgen@x" },
		{ { "postmaster", "" }, "postmaster" },
		{ { "", "" }, "" },
	};

	for (size_t i = 0; i < LENGTH(rows); i++) {
		char buf[LIMIT_ADDRESS + 1];
		struct address back = { "", "" };
		struct text t;

		text_init(&t, buf, sizeof buf);
		address_text(&t, &rows[i].a);
		TEST_STR(buf, rows[i].want, "address_text writes %s", show(rows[i].want));
		if (rows[i].a.domain[0] != '\0')
			TEST(parse_address(buf, &back) && strcmp(back.local, rows[i].a.local) == 0 &&
			     strcmp(back.domain, rows[i].a.domain) == 0,
			     "and %s reads back the same", show(rows[i].want));
	}
}

/* The longest address there is fits LIMIT_ADDRESS. */
static void
test_longest(void)
{
	char buf[LIMIT_ADDRESS + 1];
	struct address a;
	struct text t;

	memset(a.local, '"', LIMIT_LOCAL);
	a.local[LIMIT_LOCAL] = '\0';
	MUST(text_copy(a.domain, sizeof a.domain, DOMAIN255));
	text_init(&t, buf, sizeof buf);
	address_text(&t, &a);
	TEST(text_ok(&t) && t.len == 2 * LIMIT_LOCAL + 2 + 1 + LIMIT_DOMAIN,
	     "64 quotes at 255 octets fit LIMIT_ADDRESS");
}

static void
test_safe(void)
{
	static const struct {
		const char *local, *domain;
		bool want;
	} rows[] = {
		{ "a", "example.org", true },
		{ "", "", true },
		{ "postmaster", "", true },
		{ "a b\"\\<>", "x", true },
		{ "a", "[192.0.2.1]", true },
		{ "j\xc3\xbcrgen", "b\xc3\xbc" "cher.example", true },
		{ LOCAL64, DOMAIN255, true },
		{ "", "example.org", false },
		{ LOCAL64 "x", "x", false },
		{ "a", DOMAIN255 "x", false },
		{ "a\n", "x", false },
		{ "a\r", "x", false },
		{ "a\x01", "x", false },
		{ "a\x7f", "x", false },
		{ "\xff", "x", false },
		{ "a", "x\n", false },
		{ "a", "x y", false },
		{ "a", "x/../y", false },
		{ "a", "..", false },
		{ "a", "x.", false },
		{ "a", "[x]", false },
		{ "a", "[192.0.2.1", false },
		{ "a", "\xff", false },
	};

	for (size_t i = 0; i < LENGTH(rows); i++)
		TEST(is_address_safe(rows[i].local, rows[i].domain) == rows[i].want,
		     "is_address_safe %s %s: %s", show(rows[i].local), show(rows[i].domain),
		     rows[i].want ? "yes" : "no");
}

int
main(void)
{
	/* RFC 1035 counts the A-label; 22 syllables are 66 octets of UTF-8 and a label. */
	const char *hangul = "\xea\xb0\x80\xea\xb0\x81\xea\xb0\x82\xea\xb0\x83\xea\xb0\x84"
	                     "\xea\xb0\x85\xea\xb0\x86\xea\xb0\x87\xea\xb0\x88\xea\xb0\x89"
	                     "\xea\xb0\x8a\xea\xb0\x8b\xea\xb0\x8c\xea\xb0\x8d\xea\xb0\x8e"
	                     "\xea\xb0\x8f\xea\xb0\x90\xea\xb0\x91\xea\xb0\x92\xea\xb0\x93"
	                     "\xea\xb0\x94\xea\xb0\x95.example";

	test_mailboxes();
	test_read();
	test_text();
	test_longest();
	test_safe();
	TEST(is_domain(hangul, strlen(hangul)), "a U-label of 66 octets may be a label");
	TEST(has_utf8("a\x80") && !has_utf8("a~") && !has_utf8(""), "has_utf8");
	return 0;
}
