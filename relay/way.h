/*
 * Which way a domain's mail goes, by configuration alone: its own `deliver`, else `relay`, else
 * DNS. Domains with one fixed next hop share its connections.
 */
#ifndef RELAY_WAY_H
#define RELAY_WAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/conf.h"

struct way {
	struct next next;
	enum next_tls tls;
	bool is_relay;  /* the configured one: with its login */
};

/*
 * domain: the name of a queue; dir: domains/ beside the configuration. False: its
 * configuration has errors, or can't be read; both are told to report.
 */
bool way_find(struct way *w, const struct conf *c, int dir, const char *domain,
              conf_report *report);

/* One server, whatever the domain. */
bool way_is_fixed(const struct way *w);

/* The same server under the same terms. */
bool way_is_same(const struct way *a, const struct way *b);

/* Of a fixed way, never 0: ways that are the same have the same number. 0 of others. */
uint64_t way_number(const struct way *w);

#endif
