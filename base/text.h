/*
 * A string under construction in caller's memory. The first thing that does not
 * fit makes the text `bad` for good: fill it, then ask once with text_ok().
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *buf;  /* always NUL-ended within cap */
	size_t cap; /* octets of buf, the NUL included */
	size_t len;
	bool bad;
};

/* Starts an empty text in buf; cap is at least 1. */
void text_init(struct text *t, char *buf, size_t cap);
void text_add(struct text *t, const char *s);
void text_addn(struct text *t, const char *s, size_t len);
void text_addc(struct text *t, char c);
/* Decimal; text_addf pads with zeros to `width` digits. */
void text_addu(struct text *t, uint64_t n);
void text_addf(struct text *t, uint64_t n, unsigned width);
/* Lower-case hexadecimal, at least `width` digits. */
void text_addx(struct text *t, uint64_t n, unsigned width);
/* True when everything fitted. */
bool text_ok(const struct text *t);

/* Copies s into buf of cap octets; false (and an empty buf) when it does not fit. */
bool text_copy(char *buf, size_t cap, const char *s);

#endif
