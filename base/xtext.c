/* See xtext.h. */
#include "base/xtext.h"

#include <string.h>

static int
hex_digit(char c)
{
	const char *digits = "0123456789ABCDEF";
	const char *p = c != '\0' ? strchr(digits, c) : NULL;

	return p != NULL ? (int)(p - digits) : -1;
}

bool
xtext_decode(struct text *t, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		int high, low;

		if (s[i] != '+') {
			text_addc(t, s[i]);
			continue;
		}
		high = i + 2 < len ? hex_digit(s[i + 1]) : -1;
		low = high >= 0 ? hex_digit(s[i + 2]) : -1;
		if (low < 0 || (high | low) == 0)
			return false;
		text_addc(t, (char)(high << 4 | low));
		i += 2;
	}
	return text_ok(t);
}

void
xtext_encode(struct text *t, const char *s)
{
	static const char digits[] = "0123456789ABCDEF";

	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c > ' ' && c <= '~' && c != '+' && c != '=') {
			text_addc(t, (char)c);
			continue;
		}
		text_addc(t, '+');
		text_addc(t, digits[c >> 4]);
		text_addc(t, digits[c & 15]);
	}
}
