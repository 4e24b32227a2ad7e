/* session/path.h: arguments of MAIL, RCPT, VRFY and EXPN (RFC 5321 4.1.2, 4.1.1.11). */
#include "session/path.h"

#include "session/reply.h"
#include "tests/unit/test.h"

static const char *
code(const struct reply *r)
{
	static char text[32];

	if (r == NULL)
		return "read";
	snprintf(text, sizeof text, "%d %s", r->code, r->enhanced != NULL ? r->enhanced : "");
	return text;
}

#define BAD_SENDER "501 5.1.7"
#define BAD_PARAMETER "501 5.5.4"
#define UNKNOWN "555 5.5.4"
#define NEEDS_UTF8 "553 5.6.7"

/* flags: U SMTPUTF8, 8 8BITMIME, B BINARYMIME. */
static const struct {
	const char *arg, *want, *local, *domain;
	uint64_t size;
	const char *flags;
} senders[] = {
	{ "FROM:<a@b.test>", "read", "a", "b.test", 0, "" },
	{ "from:<a@b.test>", "read", "a", "b.test", 0, "" },
	{ "FROM:<>", "read", "", "", 0, "" },
	{ "FROM: <a@b.test>", "read", "a", "b.test", 0, "" },
	{ "FROM:\t <>", "read", "", "", 0, "" },
	{ "FROM:<\"a b>\"@b.test>", "read", "a b>", "b.test", 0, "" },
	{ "FROM:<a@[192.0.2.1]>", "read", "a", "[192.0.2.1]", 0, "" },
	{ "FROM:<@x.test:a@b.test>", "read", "a", "b.test", 0, "" },
	{ "FROM:<@x.test,@y.test:a@b.test>", "read", "a", "b.test", 0, "" },
	{ "FROM:<>  ", "read", "", "", 0, "" },
	{ "", BAD_SENDER, NULL, NULL, 0, "" },
	{ "<a@b.test>", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM:", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM <a@b.test>", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM :<a@b.test>", BAD_SENDER, NULL, NULL, 0, "" },
	{ "TO:<a@b.test>", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM:a@b.test", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM:<a@b.test", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM:a@b.test>", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM:<<a@b.test>>", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM:<a@b.test>>", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM:< a@b.test>", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM:<a@b.test >", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM:< >", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM:<a>", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM:<a@>", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM:<@b.test>", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM:<@x.test:>", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM:<@x.test a@b.test>", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM:<@x.test,:a@b.test>", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM:<@x.test,y.test:a@b.test>", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM:<@:a@b.test>", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM:<@[192.0.2.1]:a@b.test>", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM:Name <a@b.test>", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM:<postmaster>", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM:<a@b.test>SIZE=1", BAD_SENDER, NULL, NULL, 0, "" },
	{ "FROM:<>SIZE=1", BAD_SENDER, NULL, NULL, 0, "" },
	/* SIZE, RFC 1870 */
	{ "FROM:<> SIZE=0", "read", "", "", 0, "" },
	{ "FROM:<> SIZE=1000", "read", "", "", 1000, "" },
	{ "FROM:<> size=1000", "read", "", "", 1000, "" },
	{ "FROM:<>  SIZE=1000  ", "read", "", "", 1000, "" },
	{ "FROM:<> SIZE=18446744073709551615", "read", "", "", UINT64_MAX, "" },
	{ "FROM:<> SIZE=99999999999999999999", "read", "", "", UINT64_MAX, "" },
	{ "FROM:<> SIZE=100000000000000000000", BAD_PARAMETER, NULL, NULL, 0, "" },
	{ "FROM:<> SIZE", BAD_PARAMETER, NULL, NULL, 0, "" },
	{ "FROM:<> SIZE=", BAD_PARAMETER, NULL, NULL, 0, "" },
	{ "FROM:<> SIZE=-1", BAD_PARAMETER, NULL, NULL, 0, "" },
	{ "FROM:<> SIZE=1K", BAD_PARAMETER, NULL, NULL, 0, "" },
	{ "FROM:<> SIZE=1=1", BAD_PARAMETER, NULL, NULL, 0, "" },
	{ "FROM:<> SIZE=1 SIZE=1", BAD_PARAMETER, NULL, NULL, 0, "" },
	{ "FROM:<> SIZE = 1", BAD_PARAMETER, NULL, NULL, 0, "" },
	/* BODY, RFC 6152 and 3030 */
	{ "FROM:<> BODY=7BIT", "read", "", "", 0, "" },
	{ "FROM:<> BODY=8bitmime", "read", "", "", 0, "8" },
	{ "FROM:<> BODY=BINARYMIME", "read", "", "", 0, "B" },
	{ "FROM:<> BODY=9BIT", BAD_PARAMETER, NULL, NULL, 0, "" },
	{ "FROM:<> BODY=", BAD_PARAMETER, NULL, NULL, 0, "" },
	{ "FROM:<> BODY", BAD_PARAMETER, NULL, NULL, 0, "" },
	{ "FROM:<> BODY=7BIT BODY=7BIT", BAD_PARAMETER, NULL, NULL, 0, "" },
	/* SMTPUTF8, RFC 6531 */
	{ "FROM:<> SMTPUTF8", "read", "", "", 0, "U" },
	{ "FROM:<j\xc3\xbc@b.test> SMTPUTF8", "read", "j\xc3\xbc", "b.test", 0, "U" },
	{ "FROM:<a@\xc3\xbc.test> SMTPUTF8 BODY=8BITMIME SIZE=5", "read", "a", "\xc3\xbc.test", 5,
	  "U8" },
	{ "FROM:<j\xc3\xbc@b.test>", NEEDS_UTF8, NULL, NULL, 0, "" },
	{ "FROM:<a@\xc3\xbc.test> BODY=8BITMIME", NEEDS_UTF8, NULL, NULL, 0, "" },
	{ "FROM:<> SMTPUTF8=yes", BAD_PARAMETER, NULL, NULL, 0, "" },
	{ "FROM:<> SMTPUTF8=", BAD_PARAMETER, NULL, NULL, 0, "" },
	{ "FROM:<j\xfc@b.test> SMTPUTF8", BAD_SENDER, NULL, NULL, 0, "" },
	/* AUTH, RFC 4954 5: "<>" or a mailbox, in xtext */
	{ "FROM:<> AUTH=<>", "read", "", "", 0, "" },
	{ "FROM:<a@b.test> AUTH=c@d.test", "read", "a", "b.test", 0, "" },
	{ "FROM:<> auth=e+3Dmc2@example.com", "read", "", "", 0, "" },
	{ "FROM:<> AUTH=e+3dmc2@example.com", BAD_PARAMETER, NULL, NULL, 0, "" },
	{ "FROM:<> AUTH=e+00mc2@example.com", BAD_PARAMETER, NULL, NULL, 0, "" },
	{ "FROM:<> AUTH=e+0D+0A@example.com", BAD_PARAMETER, NULL, NULL, 0, "" },
	{ "FROM:<> AUTH=e+3", BAD_PARAMETER, NULL, NULL, 0, "" },
	{ "FROM:<> AUTH=a+40b.test", "read", "", "", 0, "" },
	{ "FROM:<> AUTH=a", BAD_PARAMETER, NULL, NULL, 0, "" },
	{ "FROM:<> AUTH=<a@b.test>", BAD_PARAMETER, NULL, NULL, 0, "" },
	{ "FROM:<> AUTH=<> AUTH=<>", BAD_PARAMETER, NULL, NULL, 0, "" },
	{ "FROM:<> AUTH=", BAD_PARAMETER, NULL, NULL, 0, "" },
	{ "FROM:<> AUTH", BAD_PARAMETER, NULL, NULL, 0, "" },
	/* all others: RFC 5321 4.1.1.11 */
	{ "FROM:<> RET=NONE", BAD_PARAMETER, NULL, NULL, 0, "" },
	{ "FROM:<> NOTIFY=NEVER", UNKNOWN, NULL, NULL, 0, "" },
	{ "FROM:<> X", UNKNOWN, NULL, NULL, 0, "" },
	{ "FROM:<> =", UNKNOWN, NULL, NULL, 0, "" },
	{ "FROM:<> SIZEX=1", UNKNOWN, NULL, NULL, 0, "" },
	{ "FROM:<> <a@b.test>", UNKNOWN, NULL, NULL, 0, "" },
	{ "FROM:<> AVERYLONGKEYWORDINDEED=1", UNKNOWN, NULL, NULL, 0, "" },
	{ "FROM:<a@b.test> (comment)", UNKNOWN, NULL, NULL, 0, "" },
};

static void
test_senders(void)
{
	for (size_t i = 0; i < LENGTH(senders); i++) {
		struct mail_parameters p;
		struct address a;
		const struct reply *r = path_read_mail(senders[i].arg, &a, &p);

		if (!TEST(strcmp(code(r), senders[i].want) == 0, "MAIL %s: %s",
		          show(senders[i].arg), senders[i].want) || r != NULL)
			continue;
		TEST(strcmp(a.local, senders[i].local) == 0 &&
		     strcmp(a.domain, senders[i].domain) == 0 && p.size == senders[i].size &&
		     p.smtputf8 == (strchr(senders[i].flags, 'U') != NULL) &&
		     p.eight_bit == (strchr(senders[i].flags, '8') != NULL) &&
		     p.binary == (strchr(senders[i].flags, 'B') != NULL), "and its parts");
	}
}

static void
test_long_parameters(void)
{
	static char arg[LIMIT_COMMAND];
	struct mail_parameters p;
	struct address a;

	memset(arg, 'x', sizeof arg - 1);
	memcpy(arg, "FROM:<> SIZE=", 13);
	TEST(strcmp(code(path_read_mail(arg, &a, &p)), UNKNOWN) == 0,
	     "MAIL with a value of two thousand octets");
	memcpy(arg, "FROM:<> x", 9);
	TEST(strcmp(code(path_read_mail(arg, &a, &p)), UNKNOWN) == 0,
	     "MAIL with a keyword of two thousand octets");
	memset(arg + 7, ' ', sizeof arg - 8);
	TEST(path_read_mail(arg, &a, &p) == NULL, "MAIL with two thousand blanks");
}

static const struct {
	const char *arg;
	bool utf8;
	const char *want, *local, *domain;
} recipients[] = {
	{ "TO:<a@b.test>", false, "read", "a", "b.test" },
	{ "to: <a@b.test>  ", false, "read", "a", "b.test" },
	{ "TO:<@x.test:a@b.test>", false, "read", "a", "b.test" },
	{ "TO:<postmaster>", false, "read", "postmaster", "" },
	{ "TO:<Postmaster>", false, "read", "postmaster", "" },
	{ "TO:<POSTMASTER@b.test>", false, "read", "POSTMASTER", "b.test" },
	{ "TO:<a@[IPv6:::1]>", false, "read", "a", "[IPv6:::1]" },
	{ "TO:<j\xc3\xbc@b.test>", true, "read", "j\xc3\xbc", "b.test" },
	{ "TO:<j\xc3\xbc@b.test>", false, NEEDS_UTF8, NULL, NULL },
	{ "TO:<>", false, "501 5.1.3", NULL, NULL },
	{ "TO:<a>", false, "501 5.1.3", NULL, NULL },
	{ "TO:<postmaster", false, "501 5.1.3", NULL, NULL },
	{ "TO:<postmaster>x", false, "501 5.1.3", NULL, NULL },
	{ "TO:<\"postmaster\">", false, "501 5.1.3", NULL, NULL },
	{ "TO:<a@b.test>x", false, "501 5.1.3", NULL, NULL },
	{ "TO:<a@b.test>,<c@d.test>", false, "501 5.1.3", NULL, NULL },
	{ "TO:a@b.test", false, "501 5.1.3", NULL, NULL },
	{ "FROM:<a@b.test>", false, "501 5.1.3", NULL, NULL },
	{ "TO", false, "501 5.1.3", NULL, NULL },
	{ "TO:<a@b.test> NOTIFY=NEVER,DELAY", false, "501 5.5.4", NULL, NULL },
	{ "TO:<a@b.test> RET=FULL", false, UNKNOWN, NULL, NULL },
	{ "TO:<a@b.test> <c@d.test>", false, UNKNOWN, NULL, NULL },
};

static void
test_recipients(void)
{
	for (size_t i = 0; i < LENGTH(recipients); i++) {
		struct address a;
		struct rcpt_parameters rp;
		const struct reply *r = path_read_rcpt(recipients[i].arg, recipients[i].utf8, &a, &rp);

		TEST(strcmp(code(r), recipients[i].want) == 0 &&
		     (r != NULL || (strcmp(a.local, recipients[i].local) == 0 &&
		                    strcmp(a.domain, recipients[i].domain) == 0)),
		     "RCPT %s%s: %s", show(recipients[i].arg),
		     recipients[i].utf8 ? " after SMTPUTF8" : "", recipients[i].want);
	}
}

static void
test_names(void)
{
	static const struct {
		const char *arg, *local, *domain;
	} rows[] = {
		{ "a@b.test", "a", "b.test" },
		{ "<a@b.test>", "a", "b.test" },
		{ "a", "a", "" },
		{ "<a>", "a", "" },
		{ "postmaster", "postmaster", "" },
		{ "\"a b\"@b.test", "a b", "b.test" },
		{ "j\xc3\xbc@b.test SMTPUTF8", "j\xc3\xbc", "b.test" },
		{ "<a@b.test> smtputf8", "a", "b.test" },
		{ "", NULL, NULL },
		{ "<>", NULL, NULL },
		{ "<", "<", "" },
		{ "@", NULL, NULL },
		{ "a@", NULL, NULL },
		{ "@b.test", NULL, NULL },
		{ "a@b.test>", NULL, NULL },
		{ "a\x01", NULL, NULL },
		{ "\xff", NULL, NULL },
	};
	struct address a;
	char *s = repeat('a', LIMIT_LOCAL + 1);

	for (size_t i = 0; i < LENGTH(rows); i++) {
		bool ok = path_read_name(rows[i].arg, &a);

		if (rows[i].local == NULL)
			TEST(!ok, "VRFY %s is refused", show(rows[i].arg));
		else
			TEST(ok && strcmp(a.local, rows[i].local) == 0 &&
			     strcmp(a.domain, rows[i].domain) == 0, "VRFY %s is read",
			     show(rows[i].arg));
	}
	TEST(!path_read_name(s, &a), "VRFY with 65 octets is refused");
	free(s);
}

int
main(void)
{
	test_senders();
	test_long_parameters();
	test_recipients();
	test_names();
	return 0;
}
