/*
 * Bounded string building. Used by every program in place of snprintf where a
 * truncated result would be wrong. Allocates nothing.
 */
#include "base/text.h"

#include <string.h>

void
text_init(struct text *t, char *buf, size_t cap)
{
	t->buf = buf;
	t->cap = cap;
	t->len = 0;
	t->bad = false;
	buf[0] = '\0';
}

void
text_addn(struct text *t, const char *s, size_t len)
{
	if (t->bad || len >= t->cap - t->len) {
		t->bad = true;
		return;
	}
	memcpy(t->buf + t->len, s, len);
	t->len += len;
	t->buf[t->len] = '\0';
}

void
text_add(struct text *t, const char *s)
{
	text_addn(t, s, strlen(s));
}

void
text_addc(struct text *t, char c)
{
	text_addn(t, &c, 1);
}

static void
add_number(struct text *t, uint64_t n, unsigned base, unsigned width)
{
	char digits[32];
	size_t i = sizeof digits;

	do {
		digits[--i] = "0123456789abcdef"[n % base];
		n /= base;
	} while (n != 0);
	while (i > 0 && sizeof digits - i < width)
		digits[--i] = '0';
	text_addn(t, digits + i, sizeof digits - i);
}

void
text_addu(struct text *t, uint64_t n)
{
	add_number(t, n, 10, 1);
}

void
text_addf(struct text *t, uint64_t n, unsigned width)
{
	add_number(t, n, 10, width);
}

void
text_addx(struct text *t, uint64_t n, unsigned width)
{
	add_number(t, n, 16, width);
}

bool
text_ok(const struct text *t)
{
	return !t->bad;
}

bool
text_copy(char *buf, size_t cap, const char *s)
{
	struct text t;

	text_init(&t, buf, cap);
	text_add(&t, s);
	return text_ok(&t);
}
