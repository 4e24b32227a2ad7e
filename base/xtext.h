/* xtext, RFC 3461 4: "+XX" stands for an octet, "+" and "=" for themselves never. */
#ifndef BASE_XTEXT_H
#define BASE_XTEXT_H

#include <stdbool.h>

#include "base/text.h"

/*
 * Appends what s[0..len) stands for. False where a "+" is not followed by two upper-case
 * hexadecimal digits, where the octet would be NUL, or where it does not fit.
 */
bool xtext_decode(struct text *t, const char *s, size_t len);

/* Appends s as xtext; octets outside printable ASCII become "+XX", too. */
void xtext_encode(struct text *t, const char *s);

#endif
