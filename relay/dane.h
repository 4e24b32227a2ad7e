/* DANE (RFC 6698, 7671, 7672): which TLSA records count for SMTP, and how they travel. */
#ifndef RELAY_DANE_H
#define RELAY_DANE_H

#include "relay/answer.h"

struct dane {
	unsigned n;
	const char *record[LIMIT_TLSA]; /* "3 1 1 hex", as TLS_CONNECT takes it; into text */
	char text[LIMIT_TLSA_TEXT];
};

/*
 * Picks what is usable (RFC 7672 3.1): usage 2 or 3, known selector and matching type,
 * data of the right form. Whole certificates and keys become hashes where that says the
 * same, or where they are too long. n is 0 where none is usable.
 */
void dane_pick(struct dane *d, const struct answer *a);

#endif
