/*
 * See saslprep.h. Used where a password becomes a verifier; whoever checks one
 * against it has to prepare it the same way (RFC 5802 5.1, RFC 4616 2).
 */
#include "auth/saslprep.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uninorm.h>
#include <unistr.h>
#include <unictype.h>

#include "base/address.h"
#include "base/text.h"

struct range {
	ucs4_t first, last;
};

/* RFC 3454 C.1.2, which RFC 4013 2.1 maps to a space. */
static const struct range spaces[] = {
	{ 0xa0, 0xa0 }, { 0x1680, 0x1680 }, { 0x2000, 0x200b }, { 0x202f, 0x202f },
	{ 0x205f, 0x205f }, { 0x3000, 0x3000 }, { 0, 0 },
};

/* RFC 3454 B.1, mapped to nothing; U+200B counts as a space above. */
static const struct range nothing[] = {
	{ 0xad, 0xad }, { 0x34f, 0x34f }, { 0x1806, 0x1806 }, { 0x180b, 0x180d },
	{ 0x200c, 0x200d }, { 0x2060, 0x2060 }, { 0xfe00, 0xfe0f }, { 0xfeff, 0xfeff },
	{ 0, 0 },
};

/* RFC 3454 C.2.1, C.2.2, C.3 and C.5 to C.9; C.4 is asked of libunistring. */
static const struct range forbidden[] = {
	{ 0x1, 0x1f }, { 0x7f, 0x9f }, { 0x340, 0x341 }, { 0x6dd, 0x6dd },
	{ 0x70f, 0x70f }, { 0x180e, 0x180e }, { 0x200c, 0x200f }, { 0x2028, 0x202e },
	{ 0x2060, 0x2063 }, { 0x206a, 0x206f }, { 0x2ff0, 0x2ffb }, { 0xd800, 0xf8ff },
	{ 0xfeff, 0xfeff }, { 0xfff9, 0xfffd }, { 0x1d173, 0x1d17a }, { 0xe0001, 0xe0001 },
	{ 0xe0020, 0xe007f }, { 0xf0000, 0x10ffff }, { 0, 0 },
};

static bool
is_in(const struct range *r, ucs4_t c)
{
	for (; r->last != 0; r++)
		if (c >= r->first && c <= r->last)
			return true;
	return false;
}

/* One character of s; its octets, or 0 at the end or where it is no UTF-8. */
static size_t
next(const char *s, ucs4_t *c)
{
	int n = *s != '\0' ? u8_mbtoucr(c, (const uint8_t *)s, strlen(s)) : 0;

	return n > 0 ? (size_t)n : 0;
}

/* RFC 4013 2.1; also finds what is no UTF-8. */
static bool
map(struct text *t, const char *s)
{
	size_t n;
	ucs4_t c;

	for (; (n = next(s, &c)) > 0; s += n) {
		if (is_in(spaces, c))
			text_addc(t, ' ');
		else if (!is_in(nothing, c))
			text_addn(t, s, n);
	}
	return *s == '\0' && text_ok(t) && t->len > 0;
}

/* RFC 4013 2.2, in place of nothing: out never holds more than it was given. */
static bool
normalize(char *out, size_t cap, const char *s)
{
	size_t len = cap - 1;
	uint8_t *r = u8_normalize(UNINORM_NFKC, (const uint8_t *)s, strlen(s), (uint8_t *)out,
	                          &len);

	if (r == NULL)
		return false;
	if (r != (uint8_t *)out) {
		explicit_bzero(r, len);
		free(r);
		return false;
	}
	out[len] = '\0';
	return true;
}

/* RFC 4013 2.3, and 2.4 by RFC 3454 6: right-to-left all through, or not at all. */
static bool
is_allowed(const char *s)
{
	bool left = false;
	bool right = false;
	bool first = false;
	bool last = false;
	const char *p = s;
	size_t n;
	ucs4_t c;

	for (; (n = next(p, &c)) > 0; p += n) {
		int class = uc_bidi_class(c);

		if (is_in(forbidden, c) || is_in(spaces, c) || uc_is_property_not_a_character(c))
			return false;
		last = class == UC_BIDI_R || class == UC_BIDI_AL;
		left |= class == UC_BIDI_L;
		right |= last;
		if (p == s)
			first = last;
	}
	return !right || (!left && first && last);
}

bool
saslprep(char *out, size_t cap, const char *in)
{
	char mapped[1024];
	struct text t;
	bool good;

	out[0] = '\0';
	text_init(&t, mapped, sizeof mapped);
	good = map(&t, in) && normalize(out, cap, mapped) && is_allowed(out);
	explicit_bzero(mapped, sizeof mapped);
	if (!good)
		explicit_bzero(out, cap);
	return good && out[0] != '\0';
}
