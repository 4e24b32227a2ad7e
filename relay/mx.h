/*
 * Mail servers of a domain in the order of RFC 5321 5.1: what an MX answer leaves when names
 * that can't be used, and ours with all that is no better, are gone. Pure functions.
 */
#ifndef RELAY_MX_H
#define RELAY_MX_H

#include <stdbool.h>

#include "base/ip.h"
#include "relay/answer.h"

struct mx {
	unsigned preference;
	char host[LIMIT_DOMAIN + 1]; /* lower case */
};

struct mx_list {
	unsigned n;
	struct mx at[LIMIT_MX];
};

enum mx_result {
	MX_GOOD,
	MX_NULL,   /* RFC 7505: the domain takes no mail */
	MX_LOOP,   /* the best one is us */
	MX_UNUSABLE, /* there are records, and no name that a host can have */
};

/*
 * The list from an answer with at least one record; servers of one preference in random
 * order. ours: our own name.
 */
enum mx_result mx_order(struct mx_list *l, const struct answer *a, const char *ours);

/* Octets of A or AAAA in the order to try: families take turns, IPv6 first if it works. */
#define MX_ADDRESSES (2 * LIMIT_MX_ADDRESSES)
unsigned mx_addresses(struct ip out[MX_ADDRESSES], struct ip *v6, unsigned n6, struct ip *v4,
                      unsigned n4, bool have_ipv6);

#endif
