/* base/num.h: decimals with bounds and suffixes. */
#include "base/num.h"

#include "base/text.h"
#include "tests/unit/test.h"

static const struct {
	char kind; /* u, s(ize), t(ime) */
	const char *s;
	uint64_t max;
	bool ok;
	uint64_t want;
} rows[] = {
	{ 'u', "0", 9, true, 0 },
	{ 'u', "9", 9, true, 9 },
	{ 'u', "10", 9, false, 0 },
	{ 'u', "0000000000000000000000000000001", 9, true, 1 },
	{ 'u', "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
	{ 'u', "18446744073709551616", UINT64_MAX, false, 0 },
	{ 'u', "184467440737095516150", UINT64_MAX, false, 0 },
	{ 'u', "99999999999999999999999999", UINT64_MAX, false, 0 },
	{ 'u', "", 9, false, 0 },
	{ 'u', " 1", 9, false, 0 },
	{ 'u', "1 ", 9, false, 0 },
	{ 'u', "+1", 9, false, 0 },
	{ 'u', "-1", UINT64_MAX, false, 0 },
	{ 'u', "0x1", 99, false, 0 },
	{ 'u', "1K", 9999, false, 0 },
	{ 'u', "1.0", 9, false, 0 },
	{ 'u', "\xd9\xa1", 9, false, 0 }, /* ARABIC-INDIC DIGIT ONE */
	{ 's', "1", 9, true, 1 },
	{ 's', "1K", 1024, true, 1024 },
	{ 's', "1K", 1023, false, 0 },
	{ 's', "25M", UINT64_MAX, true, 25 << 20 },
	{ 's', "3G", UINT64_MAX, true, (uint64_t)3 << 30 },
	{ 's', "1T", (uint64_t)1 << 40, true, (uint64_t)1 << 40 },
	{ 's', "16777215T", UINT64_MAX, true, (uint64_t)16777215 << 40 },
	{ 's', "16777216T", UINT64_MAX, false, 0 },
	{ 's', "0T", 0, true, 0 },
	{ 's', "K", UINT64_MAX, false, 0 },
	{ 's', "1k", UINT64_MAX, false, 0 },
	{ 's', "1KB", UINT64_MAX, false, 0 },
	{ 's', "1 K", UINT64_MAX, false, 0 },
	{ 's', "", UINT64_MAX, false, 0 },
	{ 't', "0", 9, true, 0 },
	{ 't', "5s", 9, true, 5 },
	{ 't', "5m", UINT64_MAX, true, 300 },
	{ 't', "2h", UINT64_MAX, true, 7200 },
	{ 't', "7d", 604800, true, 604800 },
	{ 't', "8d", 604800, false, 0 },
	{ 't', "5M", UINT64_MAX, false, 0 },
	{ 't', "1w", UINT64_MAX, false, 0 },
	{ 't', "h", UINT64_MAX, false, 0 },
	{ 't', "1h30m", UINT64_MAX, false, 0 },
	{ 't', "213503982334602d", UINT64_MAX, false, 0 },
};

/* A list up to 9: what is read of it, and whether that is all. */
static const struct {
	const char *s, *read;
	bool whole;
} lists[] = {
	{ "0", "0-0", true },
	{ "0 2-7 9", "0-0 2-7 9-9", true },
	{ "3-3", "3-3", true },
	{ "0 10", "0-0", false },
	{ "0-10", "", false },
	{ "3-2", "", false },
	{ "3-", "", false },
	{ "-3", "", false },
	{ "1-2-3", "", false },
	{ "1 ", "", false },
	{ " 1", "", false },
	{ "1  2", "1-1", false },
	{ "1,2", "", false },
	{ "", "", true },
};

static void
test_ranges(void)
{
	for (size_t i = 0; i < LENGTH(lists); i++) {
		const char *s = lists[i].s;
		uint64_t from, to;
		char read[64];
		struct text t;

		text_init(&t, read, sizeof read);
		while (parse_range(&s, 9, &from, &to)) {
			text_add(&t, t.len == 0 ? "" : " ");
			text_addu(&t, from);
			text_addc(&t, '-');
			text_addu(&t, to);
		}
		MUST(text_ok(&t));
		TEST(strcmp(read, lists[i].read) == 0 && (*s == '\0') == lists[i].whole,
		     "parse_range of %s reads %s", show(lists[i].s), show(lists[i].read));
	}
}

int
main(void)
{
	test_ranges();
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const uint64_t untouched = 4711;
		uint64_t n = untouched;
		bool ok = rows[i].kind == 'u' ? parse_u64(rows[i].s, rows[i].max, &n) :
		          rows[i].kind == 's' ? parse_size(rows[i].s, rows[i].max, &n) :
		                                parse_seconds(rows[i].s, rows[i].max, &n);

		TEST(ok == rows[i].ok && n == (ok ? rows[i].want : untouched),
		     "%s %s up to %ju is %s",
		     rows[i].kind == 'u' ? "parse_u64" :
		     rows[i].kind == 's' ? "parse_size" :
		                           "parse_seconds",
		     show(rows[i].s), (uintmax_t)rows[i].max, rows[i].ok ? "read" : "refused");
	}
	return 0;
}
