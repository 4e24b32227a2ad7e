/* What the router knows of the host it runs on, and what its searches share. */
#ifndef RELAY_SITE_H
#define RELAY_SITE_H

#include <event2/event.h>
#include <stdbool.h>

#include "base/conf.h"
#include "base/helper.h"
#include "base/ip.h"
#include "relay/dns.h"

#define SITE_ADDRESSES 64

struct site {
	const char *hostname;
	bool have_ipv6;             /* there is a route to the world */
	unsigned n_own;
	struct ip own[SITE_ADDRESSES];
	struct event_base *base;
	struct dns *dns;
	struct helper_door sts;     /* who fetches policies; feed -1: nobody, MTA-STS is off */
};

/* Interfaces' addresses, and whether there is IPv6. Reads no file. */
void site_look(struct site *s);

/* Connecting there would reach this host. */
bool site_is_own(const struct site *s, const struct ip *ip);

#endif
