/* base/timed.h: the values of BY, HOLDFOR, HOLDUNTIL and MT-PRIORITY, and what time does. */
#include "base/timed.h"

#include "tests/unit/test.h"

static const struct {
	const char *s;
	enum by_mode mode;
	bool trace;
	time_t when;
} bys[] = {
	{ "120;R", BY_RETURN, false, 120 },
	{ "+120;RT", BY_RETURN, true, 120 },
	{ "1;r", BY_RETURN, false, 1 },
	{ "0;N", BY_NOTIFY, false, 0 },
	{ "-30;NT", BY_NOTIFY, true, -30 },
	{ "-999999999;nt", BY_NOTIFY, true, -999999999 },
	{ "999999999;R", BY_RETURN, false, 999999999 },
	{ "000000060;N", BY_NOTIFY, false, 60 },
};

static const char *const bad_bys[] = {
	"", ";", ";R", "120", "120;", "120R", "120;X", "120;RX", "120;RTT", "120;TR", "1 20;R",
	"+;R", "-;N", "+-1;N", "1e3;R", "1234567890;N", "-1234567890;N", "0;R", "-1;R", "+0;RT",
	"120;R ", "120; R", "0x10;N",
};

static const struct {
	const char *s;
	time_t when;
} untils[] = {
	{ "1970-01-01T00:00:00Z", 0 },
	{ "2000-02-29T00:00:00Z", 951782400 },
	{ "2026-11-22T11:22:33Z", 1795346553 },
	{ "2026-11-22t11:22:33z", 1795346553 },
	{ "2026-11-22T11:22:33.5Z", 1795346553 },
	{ "2026-11-22T12:22:33+01:00", 1795346553 },
	{ "2026-11-22T05:52:33-05:30", 1795346553 },
	{ "2026-11-22T11:22:33-00:00", 1795346553 },
	{ "2016-12-31T23:59:60Z", 1483228800 },
	{ "2100-03-01T00:00:00Z", 4107542400 },
	{ "9999-12-31T23:59:59Z", 253402300799 },
};

static const char *const bad_untils[] = {
	"", "2026-11-22", "2026-11-22T11:22:33", "2026-11-22 11:22:33Z", "2026-11-22T11:22Z",
	"2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-11-31T00:00:00Z",
	"2026-11-00T00:00:00Z", "2025-02-29T00:00:00Z", "2100-02-29T00:00:00Z",
	"2026-11-22T24:00:00Z", "2026-11-22T00:60:00Z", "2026-11-22T00:00:61Z",
	"2026-11-22T11:22:33+1:00", "2026-11-22T11:22:33+24:00", "2026-11-22T11:22:33+0100",
	"2026-11-22T11:22:33Zx", "2026-11-22T11:22:33.Z", "1969-12-31T23:59:59Z",
	"1970-01-01T00:00:00+00:01", "26-11-22T11:22:33Z", "+026-11-22T11:22:33Z",
};

static void
test_by(void)
{
	struct deliver_by by;

	for (size_t i = 0; i < LENGTH(bys); i++)
		TEST(parse_by(bys[i].s, &by) && by.mode == bys[i].mode && by.trace == bys[i].trace &&
		     by.when == bys[i].when, "BY=%s", bys[i].s);
	for (size_t i = 0; i < LENGTH(bad_bys); i++)
		TEST(!parse_by(bad_bys[i], &by), "no BY=%s", bad_bys[i]);
}

static void
say_by(time_t when, enum by_mode mode, bool trace, time_t now, const char *want)
{
	struct deliver_by by = { mode, trace, when };
	char buf[32];
	struct text t;

	text_init(&t, buf, sizeof buf);
	by_text(&t, &by, now);
	TEST(text_ok(&t) && strcmp(buf, want) == 0, "by_text says %s: %s", want, buf);
}

static void
test_left(void)
{
	struct deliver_by by = { BY_RETURN, false, 1000 }, none = { 0 };

	say_by(1000, BY_RETURN, false, 940, "60;R");
	say_by(1000, BY_NOTIFY, true, 1000, "0;NT");
	say_by(1000, BY_NOTIFY, false, 1030, "-30;N");
	say_by(5000000000, BY_RETURN, true, 0, "999999999;RT");
	say_by(0, BY_NOTIFY, false, 5000000000, "-999999999;N");
	TEST(!by_is_over(&by, 999) && by_is_over(&by, 1000), "no second left is over");
	TEST(!by_is_over(&none, 1000), "what was not asked for is never over");
}

static void
test_hold(void)
{
	uint64_t n;
	time_t when;

	TEST(parse_hold_for("1", &n) && n == 1, "HOLDFOR=1");
	TEST(parse_hold_for("999999999", &n) && n == 999999999, "HOLDFOR=999999999");
	TEST(!parse_hold_for("0", &n) && !parse_hold_for("", &n) && !parse_hold_for("-1", &n) &&
	     !parse_hold_for("1000000000", &n) && !parse_hold_for("0000000001", &n) &&
	     !parse_hold_for("1h", &n) && !parse_hold_for("+1", &n), "no HOLDFOR");
	for (size_t i = 0; i < LENGTH(untils); i++)
		TEST(parse_hold_until(untils[i].s, &when) && when == untils[i].when,
		     "HOLDUNTIL=%s", untils[i].s);
	for (size_t i = 0; i < LENGTH(bad_untils); i++)
		TEST(!parse_hold_until(bad_untils[i], &when), "no HOLDUNTIL=%s", bad_untils[i]);
}

static void
test_priority(void)
{
	static const char *const bad[] = { "", "-", "10", "-10", "+1", "-0", "00", "1 ", "a", "1.0" };
	char buf[8];
	struct text t;
	int n;

	for (int i = PRIORITY_MIN; i <= PRIORITY_MAX; i++) {
		text_init(&t, buf, sizeof buf);
		priority_text(&t, i);
		TEST(text_ok(&t) && parse_priority(buf, &n) && n == i, "priority %d", i);
	}
	for (size_t i = 0; i < LENGTH(bad); i++)
		TEST(!parse_priority(bad[i], &n), "no priority '%s'", bad[i]);
}

int
main(void)
{
	test_by();
	test_left();
	test_hold();
	test_priority();
	return 0;
}
