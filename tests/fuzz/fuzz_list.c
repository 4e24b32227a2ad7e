/*
 * Address lists (spool/list.c): what is told is an address that reads back the same, at a
 * place within the input, in order; and the whole of a letter (spool/letter.c) with any
 * header keeps its promises, however it is cut.
 */
#include "spool/letter.h"
#include "spool/list.h"
#include "tests/fuzz/fuzz.h"

struct seen {
	size_t len, last;
	unsigned n;
};

static bool
look(void *context, const struct list_item *item)
{
	struct seen *s = context;
	struct address b;
	char buf[LIMIT_ADDRESS + 1];
	struct text t;

	CHECK(item->end > s->last && item->end <= s->len);
	s->last = item->end;
	CHECK(item->address.local[0] != '\0');
	CHECK(is_address_safe(item->address.local, item->address.domain));
	text_init(&t, buf, sizeof buf);
	address_text(&t, &item->address);
	CHECK(text_ok(&t));
	if (item->address.domain[0] != '\0')
		CHECK(parse_address(buf, &b) && strcmp(b.local, item->address.local) == 0);
	return ++s->n < 100;
}

/* The stored form: no CR, a last line that ends, no field that is taken out. */
static size_t
pass(const char *in, size_t len, size_t step, bool dots, char *out, size_t cap, bool *good)
{
	static struct order o;
	struct header_rules rules = { .recipients = true, .domain = "d.test", .host = "h.test",
	                              .id = "i", .from = "f@d.test", .name = "" };
	struct verdict v = { .code = SPOOL_DONE };
	struct stage stage;
	struct letter l = { .rules = &rules, .order = &o, .stage = &stage, .v = &v,
	                    .dots = dots };
	ssize_t n;

	order_init(&o);
	CHECK(stage_open(&stage, -1, 1 << 20, &v) && letter_open(&l));
	*good = true;
	for (size_t at = 0; at < len && *good; at += step)
		*good = letter_feed(&l, in + at, len - at < step ? len - at : step);
	*good = *good && letter_finish(&l);
	letter_close(&l);
	CHECK(*good == (v.code == SPOOL_DONE));
	n = pread(stage.fd, out, cap, 0);
	stage_close(&stage);
	CHECK(n >= 0);
	return (size_t)n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char a[1 << 17], b[1 << 17];
	char *s = fuzz_string(data, size);
	struct seen seen = { .len = size };
	bool good, same;
	size_t n, m;

	(void)list_read(s, size, look, &seen);
	if (size < 1 << 14) {
		n = pass(s, size, size + 1, size % 2 == 0, a, sizeof a, &good);
		m = pass(s, size, 7, size % 2 == 0, b, sizeof b, &same);
		CHECK(good == same);
		if (good) {
			char *date = memmem(a, n, "\nDate: ", 7);

			CHECK(n > 0 && a[n - 1] == '\n' && memchr(a, '\r', n) == NULL);
			/* The clock may have moved on between the two. */
			CHECK(n == m && (date != NULL || memcmp(a, b, n) == 0));
		}
	}
	free(s);
	return 0;
}
