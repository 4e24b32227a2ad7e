/*
 * flush's first process: knows which domains are to be run, keeps a bounded number of
 * runners at it, and starts for them what they may not: senders, and `spool` for
 * reports. It reads names of domains, never mail nor a network.
 */
#ifndef RELAY_DISPATCH_H
#define RELAY_DISPATCH_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/conf.h"
#include "base/helper.h"

enum dispatch_scan { DISPATCH_NONE, DISPATCH_DUE, DISPATCH_ALL };

struct dispatch_setup {
	const struct conf *conf;
	enum dispatch_scan scan;    /* of the whole spool, once */
	bool now;                   /* --now: with CONTROL_NOW */
	char *const *domains;       /* names of queues, ended by NULL, or NULL */
	const int *doors;           /* datagram sockets */
	unsigned n_doors;
	int feed;                   /* HELPER_WORDs come over it; -1 = none */
	int state, spool, dir;      /* held directories: STATE, STATE/spool, domains/ */
	int sts;
	struct helper_door router, tls;
	uid_t owner;                /* of STATE: runners and spool become it; 0: stay */
	gid_t owner_gid;
	const char *jail;           /* of senders; as for sessions */
	uid_t session;
	gid_t session_gid;
	/* Starts the router (relay/router.h) when first needed: its feed, or -1. */
	int (*start_router)(const struct dispatch_setup *d);
};

#define DISPATCH_DOORS 4

/* Until all is done; with doors or a feed, until LIMIT_FLUSH_LINGER s later. The exit code. */
int dispatch_run(const struct dispatch_setup *setup);

#endif
