/* SASLprep, RFC 4013: one form for a password, however its octets were typed. */
#ifndef AUTH_SASLPREP_H
#define AUTH_SASLPREP_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Prepares UTF-8 `in` into out. False where it is no UTF-8, holds a character that
 * RFC 4013 2.3 or 2.4 forbids, comes out empty, or does not fit. ASCII without
 * controls stays as it is. Code points newer than Unicode 3.2 are let through: RFC
 * 4013 2.5 would forbid them in stored strings, and with them every newer script.
 */
bool saslprep(char *out, size_t cap, const char *in);

#endif
