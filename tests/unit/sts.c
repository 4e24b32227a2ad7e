/* base/sts.h: records and policies of RFC 8461, and the form in which they are kept. */
#include "base/sts.h"

#include "tests/unit/test.h"

static const struct {
	const char *txt, *id; /* NULL: broken; "" another record */
} records[] = {
	{ "v=STSv1; id=20160831085700Z;", "20160831085700Z" },
	{ "v=STSv1; id=1", "1" },
	{ "v=STSv1;id=1;", "1" },
	{ "v=STSv1 ;\tid=1 ; ", "1" },
	{ "v=STSv1; x=y; id=1; z-1=!~", "1" },
	{ "v=STSv1; id=1; id=2", "1" },
	{ "v=STSv1; id=12345678901234567890123456789012", "12345678901234567890123456789012" },
	{ "v=STSv1; id=123456789012345678901234567890123", NULL },
	{ "v=STSv1", NULL },
	{ "v=STSv1;", NULL },
	{ "v=STSv1; id=", NULL },
	{ "v=STSv1; id=a-b", NULL },
	{ "v=STSv1; id=1;; x=y", NULL },
	{ "v=STSv1; id =1", NULL },
	{ "v=STSv1; ID=1", NULL },
	{ "v=STSv1; _x=y; id=1", NULL },
	{ "v=STSv1; x; id=1", NULL },
	{ "v=STSv1; x=a=b; id=1", NULL },
	{ "v=STSv1; x=a b; id=1", NULL },
	{ "v=STSv2; id=1;", "" },
	{ "v=STSv12; id=1;", "" },
	{ "v=stsv1; id=1;", "" },
	{ " v=STSv1; id=1;", "" },
	{ "v=spf1 -all", "" },
	{ "", "" },
};

static void
test_records(void)
{
	char id[STS_ID + 1];

	for (size_t i = 0; i < LENGTH(records); i++) {
		const char *want = records[i].id;
		enum sts_record r = sts_parse_record(records[i].txt, strlen(records[i].txt), id);

		TEST(want == NULL ? r == STS_RECORD_BROKEN : want[0] == '\0' ? r == STS_RECORD_OTHER :
		     r == STS_RECORD_GOOD && strcmp(id, want) == 0, "record %s", show(records[i].txt));
	}
	TEST(sts_parse_record("v=STSv1; id=1\0;", 15, id) == STS_RECORD_BROKEN, "record with NUL");
}

#define V "version: STSv1\n"
#define E "mode: enforce\n"
#define A "max_age: 86400\n"
#define M "mx: mail.example.com\n"

#define BAD(text, why) { text, why, STS_NONE, 0, NULL }

static const struct {
	const char *text;
	const char *why; /* a part of it; NULL: good */
	enum sts_mode mode;
	uint64_t max_age;
	const char *mx;
} files[] = {
	{ V E M A, NULL, STS_ENFORCE, 86400, "mail.example.com" },
	{ "version: STSv1\r\nmode: testing\r\nmx: *.example.net\r\nmx: b.example\r\nmax_age: 1\r\n",
	  NULL, STS_TESTING, 1, "*.example.net b.example" },
	{ "max_age:0\nmx:a.example\nmode:enforce\nversion:STSv1", NULL, STS_ENFORCE, 0, "a.example" },
	{ V "mode: none\n" A, NULL, STS_NONE, 86400, "" },
	{ V "mode: none\n" A M, NULL, STS_NONE, 86400, "mail.example.com" },
	{ V E M "max_age: 31557600\n", NULL, STS_ENFORCE, 31557600, "mail.example.com" },
	{ V E M "max_age: 9999999999\n", NULL, STS_ENFORCE, STS_MAX_AGE, "mail.example.com" },
	{ V E "mode: none\n" M A "max_age: 1\n", NULL, STS_ENFORCE, 86400, "mail.example.com" },
	{ V E M A "x-y.z: whatever: \xc3\xa9\n\n", NULL, STS_ENFORCE, 86400, "mail.example.com" },
	BAD(V "mode : enforce\n" M A, "lines"),
	BAD(V "mode: enforced\n" M A, "mode"),
	BAD(V "mode: Enforce\n" M A, "mode"),
	BAD(V E M "max_age: 10000000000000\n", "max_age"),
	BAD(V E M "max_age: -1\n", "max_age"),
	BAD(V E M "max_age: 1h\n", "max_age"),
	BAD(V E M "max_age:\n", "max_age"),
	BAD("version: STSv2\n" E M A, "version"),
	BAD(E M A, "expected version"),
	BAD(V M A, "expected version"),
	BAD(V E M, "expected version"),
	BAD(V E A, "no mx"),
	BAD(V "mode: testing\n" A, "no mx"),
	BAD(V E A "mx: \n", "mx:"),
	BAD(V E A "mx: *\n", "mx:"),
	BAD(V E A "mx: *.\n", "mx:"),
	BAD(V E A "mx: *.*.example\n", "mx:"),
	BAD(V E A "mx: a*.example\n", "mx:"),
	BAD(V E A "mx: a.example.\n", "mx:"),
	BAD(V E A "mx: a example\n", "mx:"),
	BAD(V E A "mx: m\xc3\xbcnchen.example\n", "mx:"),
	BAD(V E A "mx: .example\n", "mx:"),
	BAD(V E A M "nonsense\n", "lines"),
	BAD(V E A M ": x\n", "lines"),
	BAD(V E A M "a\tb: x\n", "lines"),
	BAD(V E A M "a: x\x01y\n", "control"),
	BAD("<html>", "lines"),
	BAD("", "expected version"),
};

static void
test_files(void)
{
	struct sts_policy p;
	const char *why;

	for (size_t i = 0; i < LENGTH(files); i++) {
		bool good = sts_parse_file(files[i].text, strlen(files[i].text), &p, &why);

		if (files[i].why != NULL)
			TEST(!good && strstr(why, files[i].why) != NULL, "policy %s: %s",
			     show(files[i].text), good ? "good" : why);
		else
			TEST(good && p.mode == files[i].mode && p.max_age == files[i].max_age &&
			     strcmp(p.mx, files[i].mx) == 0, "policy %s", show(files[i].text));
	}
	TEST(!sts_parse_file(V E M A "\0", sizeof(V E M A "\0") - 1, &p, &why), "policy with NUL");
}

static void
test_many(void)
{
	static char big[LIMIT_STS_FILE];
	struct sts_policy p;
	const char *why;
	int n = snprintf(big, sizeof big, V E A);

	for (int i = 0; i < 150; i++)
		n += snprintf(big + n, sizeof big - (size_t)n, "mx: host%04d.example.com\n", i);
	TEST(!sts_parse_file(big, (size_t)n, &p, &why) && strstr(why, "more mail") != NULL,
	     "more patterns than are kept");
}

static void
test_allows(void)
{
	static const struct {
		const char *mx, *host;
		bool allowed;
	} cases[] = {
		{ "a.example", "a.example", true },
		{ "a.example", "A.EXAMPLE", true },
		{ "a.example", "b.a.example", false },
		{ "a.example b.example", "b.example", true },
		{ "*.example", "b.example", true },
		{ "*.example", "example", false },
		{ "*.example", ".example", false },
		{ "*.example", "c.b.example", false },
		{ "*.example", "b.exampleX", false },
		{ "x.example *.b.example", "c.b.example", true },
		{ "", "a.example", false },
	};
	struct sts_policy p = { .mode = STS_ENFORCE };

	for (size_t i = 0; i < LENGTH(cases); i++) {
		MUST(text_copy(p.mx, sizeof p.mx, cases[i].mx));
		TEST(sts_allows(&p, cases[i].host) == cases[i].allowed, "%s for %s", cases[i].mx,
		     cases[i].host);
	}
}

static void
test_time(void)
{
	const struct sts_policy p = { .fetched = 1000000, .max_age = 600000 };

	TEST(sts_is_current(&p, 1000000) && sts_is_current(&p, 1599999), "current until its end");
	TEST(!sts_is_current(&p, 1600000), "old at its end");
	TEST(!sts_is_current(&p, 999999), "fetched in the future");
	TEST(!sts_is_stale(&p, 1086399) && sts_is_stale(&p, 1086400), "stale after a day");
	TEST(sts_is_stale(&(struct sts_policy){ .fetched = 5, .max_age = 100 }, 55), "stale at half");
}

static void
test_kept(void)
{
	static const char *const bad[] = {
		"", "postern-sts 2\n", "postern-sts 1\n", "postern-sts 1\nid a-b\nfetched 1\n",
		"postern-sts 1\nid 1\nfetched x\nmax-age 1\nmode none\n",
		"postern-sts 1\nid 1\nfetched 1\nmax-age 99999999\nmode none\n",
		"postern-sts 1\nid 1\nfetched 1\nmax-age 1\nmode enforce\n",
		"postern-sts 1\nid 1\nfetched 1\nmax-age 1\nmode enforce\nmx a  b\n",
		"postern-sts 1\nid 1\nfetched 1\nmax-age 1\nmode enforce\nmx a.b\nmore\n",
		"postern-sts 1\nid 1\nfetched 1\nmax-age 1\nmode enforce\nmx a.b",
	};
	struct sts_policy p = { .mode = STS_ENFORCE, .fetched = 1795346553, .max_age = 86400 }, back;
	char buf[LIMIT_STS + 1];
	struct text t;

	MUST(text_copy(p.id, sizeof p.id, "x1") && text_copy(p.mx, sizeof p.mx, "*.a.example b.c"));
	text_init(&t, buf, sizeof buf);
	sts_write(&t, &p);
	TEST_STR(buf, "postern-sts 1\nid x1\nfetched 1795346553\nmax-age 86400\nmode enforce\n"
	         "mx *.a.example b.c\n", "as kept");
	TEST(text_ok(&t) && sts_read(buf, &back) && back.mode == p.mode &&
	     back.fetched == p.fetched && back.max_age == p.max_age && strcmp(back.id, p.id) == 0 &&
	     strcmp(back.mx, p.mx) == 0, "read back");
	for (size_t i = 0; i < LENGTH(bad); i++)
		TEST(!sts_read(bad[i], &back), "not kept so: %s", show(bad[i]));
}

int
main(void)
{
	test_records();
	test_files();
	test_many();
	test_allows();
	test_time();
	test_kept();
	return 0;
}
