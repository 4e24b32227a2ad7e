/*
 * Cuts loops as a message's header passes by: counts its Received lines (RFC 5321 6.3),
 * and finds a Delivered-To line that names a recipient: the message was there before. Pure.
 */
#ifndef BASE_HOPS_H
#define BASE_HOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hops {
	unsigned received; /* lines that begin with "Received:" */
	bool again;        /* a Delivered-To names one of `known` */
	const uint64_t *known; /* of hops_hash(), the caller's until the end; NULL = none */
	unsigned n_known;
	bool done;         /* the empty line after the header has passed */
	const char *field; /* the name that this line may have */
	size_t matched;    /* octets of it seen in this line */
	bool in_value;     /* of Delivered-To */
	uint64_t hash;     /* of the value so far */
	bool line_start;
	bool mismatch;
};

void hops_init(struct hops *h);

/* What stands for an address in `known`: case and white space do not matter. */
uint64_t hops_hash(const char *address);

/* Octets of the stored form, in order, split anywhere. */
void hops_feed(struct hops *h, const char *buf, size_t len);

#endif
