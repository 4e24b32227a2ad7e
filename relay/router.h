/*
 * The router: one process of a flush, which answers the runners' questions (base/routing.h)
 * by DNS and MTA-STS, many at once. It reads what the network sends, so it holds nothing:
 * no file, no right, no message.
 */
#ifndef RELAY_ROUTER_H
#define RELAY_ROUTER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/conf.h"

struct router_setup {
	const struct conf *conf;  /* hostname, dns, dns_anchor, tls_ca */
	bool sts;                 /* MTA-STS, by the program `sts` beside our own */
	uid_t uid;                /* who to become, 0: stays (there is no privilege) */
	gid_t gid;
};

/*
 * Starts a router; call it before anything is confined. Returns its feed: runners connect
 * with helper_connect() and { NULL, feed } as the door. The router ends when every copy of
 * the feed and every connection are closed; it is no child of the caller's. -1: logged.
 */
int router_start(const struct router_setup *setup);

#endif
