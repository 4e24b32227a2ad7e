/* base/clock.h: RFC 5322 dates, a clock that does not go back. */
#include "base/clock.h"

#include "tests/unit/test.h"

static const struct {
	time_t when;
	const char *want, *stamp;
} rows[] = {
	{ 0, "Thu, 1 Jan 1970 00:00:00 +0000", "1970-01-01T00:00:00Z" },
	{ 951782400, "Tue, 29 Feb 2000 00:00:00 +0000", "2000-02-29T00:00:00Z" },
	{ 1078012799, "Sat, 28 Feb 2004 23:59:59 +0000", "2004-02-28T23:59:59Z" },
	{ 1136073599, "Sat, 31 Dec 2005 23:59:59 +0000", "2005-12-31T23:59:59Z" },
	{ 1795346553, "Sun, 22 Nov 2026 11:22:33 +0000", "2026-11-22T11:22:33Z" },
	{ 2147483648, "Tue, 19 Jan 2038 03:14:08 +0000", "2038-01-19T03:14:08Z" },
	{ 253402300799, "Fri, 31 Dec 9999 23:59:59 +0000", "9999-12-31T23:59:59Z" },
};

int
main(void)
{
	char buf[64];
	struct text t;
	int64_t before, after;

	/* A zone must not change what we write. */
	MUST(setenv("TZ", "XYZ-5:30", 1) == 0);
	tzset();
	for (size_t i = 0; i < LENGTH(rows); i++) {
		text_init(&t, buf, sizeof buf);
		clock_date(&t, rows[i].when);
		TEST_STR(buf, rows[i].want, "clock_date %jd", (intmax_t)rows[i].when);
		text_init(&t, buf, sizeof buf);
		clock_stamp(&t, rows[i].when);
		TEST_STR(buf, rows[i].stamp, "clock_stamp %jd", (intmax_t)rows[i].when);
	}
	text_init(&t, buf, sizeof buf);
	clock_date(&t, INT64_MAX);
	TEST(!text_ok(&t), "a year past all calendars is bad text");
	text_init(&t, buf, 10);
	clock_date(&t, 0);
	TEST(!text_ok(&t), "a date that does not fit is bad text");
	before = clock_ms();
	usleep(20000);
	after = clock_ms();
	TEST(after - before >= 19 && after - before < 10000, "clock_ms counts milliseconds");
	return 0;
}
