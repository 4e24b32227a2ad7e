/*
 * How many connections each source has, and how fast it makes new ones. A source is
 * an IPv4 address or an IPv6 /64.
 */
#ifndef FRONT_SOURCES_H
#define FRONT_SOURCES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"
#include "base/limits.h"

/* Twice as many places as there can be connections, for short chains. */
#define SOURCES_PLACES (2 * LIMIT_CONNECTIONS)

struct source {
	unsigned char key[16];
	uint32_t open;       /* connections now */
	uint32_t recent;     /* begun in the minute that starts at `since` */
	int64_t since;       /* clock_ms() */
	bool used;
};

struct sources {
	struct source places[SOURCES_PLACES];
};

/*
 * One more connection of ip: the place that counts it, or -1 when it has `max` open
 * already or has begun `rate` (0 = any) in this minute. Unknown addresses (unix
 * sockets) count as one source without limits.
 */
int sources_enter(struct sources *s, const struct ip *ip, uint64_t max, uint64_t rate,
                  int64_t now);

/* The connection counted at place has ended. */
void sources_leave(struct sources *s, int place);

#endif
