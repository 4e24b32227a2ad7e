/*
 * Counts the Received lines in a message's header as it passes by, to cut loops
 * (RFC 5321 6.3). Pure.
 */
#ifndef BASE_HOPS_H
#define BASE_HOPS_H

#include <stdbool.h>
#include <stddef.h>

struct hops {
	unsigned received; /* lines that begin with "Received:" */
	bool done;         /* the empty line after the header has passed */
	size_t matched;    /* octets of "received:" seen in this line */
	bool line_start;
	bool mismatch;
};

void hops_init(struct hops *h);

/* Octets of the stored form, in order, split anywhere. */
void hops_feed(struct hops *h, const char *buf, size_t len);

#endif
