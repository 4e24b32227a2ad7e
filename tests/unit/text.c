/* base/text.h: what fits, what does not, and that "bad" lasts. */
#include "base/text.h"

#include "tests/unit/test.h"

static void
test_numbers(void)
{
	static const struct {
		char kind;
		uint64_t n;
		unsigned width;
		const char *want;
	} rows[] = {
		{ 'u', 0, 0, "0" },
		{ 'u', 10, 0, "10" },
		{ 'u', UINT64_MAX, 0, "18446744073709551615" },
		{ 'f', 7, 2, "07" },
		{ 'f', 123, 2, "123" },
		{ 'f', 0, 4, "0000" },
		{ 'f', 1, 40, "00000000000000000000000000000001" },
		{ 'x', 0, 1, "0" },
		{ 'x', 255, 1, "ff" },
		{ 'x', 255, 8, "000000ff" },
		{ 'x', UINT64_MAX, 5, "ffffffffffffffff" },
	};

	for (size_t i = 0; i < LENGTH(rows); i++) {
		char buf[64];
		struct text t;

		text_init(&t, buf, sizeof buf);
		if (rows[i].kind == 'u')
			text_addu(&t, rows[i].n);
		else if (rows[i].kind == 'f')
			text_addf(&t, rows[i].n, rows[i].width);
		else
			text_addx(&t, rows[i].n, rows[i].width);
		TEST_STR(buf, rows[i].want, "text_add%c %ju width %u", rows[i].kind,
		         (uintmax_t)rows[i].n, rows[i].width);
	}
}

/* Each row adds a, then b, to a buffer of cap octets. */
static void
test_room(void)
{
	static const struct {
		size_t cap;
		const char *a, *b, *want;
		bool ok;
	} rows[] = {
		{ 1, "", "", "", true },
		{ 1, "x", "", "", false },
		{ 4, "abc", "", "abc", true },
		{ 4, "abcd", "", "", false },
		{ 4, "ab", "c", "abc", true },
		{ 4, "ab", "cd", "ab", false },
		{ 4, "abcd", "x", "", false }, /* bad stays bad though x would fit */
		{ 7, "abc", "def", "abcdef", true },
	};

	for (size_t i = 0; i < LENGTH(rows); i++) {
		char buf[9] = "########";
		struct text t;

		text_init(&t, buf, rows[i].cap);
		text_add(&t, rows[i].a);
		text_add(&t, rows[i].b);
		TEST(text_ok(&t) == rows[i].ok && strcmp(buf, rows[i].want) == 0 &&
		     t.len == strlen(buf) && buf[8] == '\0' &&
		     (rows[i].cap == 8 || buf[rows[i].cap] == '#'),
		     "text of %zu octets: \"%s\" then \"%s\"", rows[i].cap, rows[i].a, rows[i].b);
	}
}

static void
test_copy(void)
{
	char buf[4] = "old";

	TEST(text_copy(buf, sizeof buf, "new") && strcmp(buf, "new") == 0, "text_copy fits");
	TEST(!text_copy(buf, sizeof buf, "long") && buf[0] == '\0',
	     "text_copy that does not fit leaves nothing");
	TEST(text_copy(buf, 1, "") && buf[0] == '\0', "text_copy of nothing into one octet");
}

static void
test_parts(void)
{
	char buf[8];
	struct text t;

	text_init(&t, buf, sizeof buf);
	text_addn(&t, "abcdef", 3);
	text_addc(&t, '\0');
	text_addc(&t, 'x');
	TEST(text_ok(&t) && t.len == 5 && memcmp(buf, "abc\0x", 6) == 0,
	     "text_addn takes its length, text_addc any octet");
	text_addn(&t, "", 0);
	TEST(text_ok(&t) && t.len == 5, "adding nothing adds nothing");
	text_addn(&t, "yyyyyyyy", SIZE_MAX);
	TEST(!text_ok(&t) && t.len == 5, "a length of SIZE_MAX does not wrap");
}

int
main(void)
{
	test_numbers();
	test_room();
	test_copy();
	test_parts();
	return 0;
}
