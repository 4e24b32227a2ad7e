/*
 * Where a forward file leads, followed as keeper/resolve.c does: used to refuse an
 * alias that would lead nowhere, and to find such files on disk.
 */
#ifndef ADMIN_ROUTE_H
#define ADMIN_ROUTE_H

#include "admin/admin.h"
#include "admin/box.h"

enum route_target {
	ROUTE_LOCAL,      /* a mailbox of ours */
	ROUTE_REMOTE,     /* a domain that is not served here */
	ROUTE_MISSING,    /* a served domain without that mailbox, or no such name */
};

struct route {
	const struct admin *a;
	bool delivers;    /* some mailbox, or a remote address, is reached */
	bool deep;        /* more than LIMIT_FORWARD_DEPTH forward files behind one another */
	unsigned n_seen;
	char seen[LIMIT_FORWARD_TARGETS][MAILBOX_PATH];
	struct forward forward[LIMIT_FORWARD_DEPTH];
};

/* Starts at a mailbox that is not followed again; frees by free(). NULL: no memory. */
struct route *route_new(const struct admin *a);
void route_start(struct route *r, const struct box *from);

/* What an address is; b is set for ROUTE_LOCAL, catchall and postmaster applied. */
enum route_target route_look(const struct admin *a, const struct address *to, struct box *b);

/* Follows one target of the start's forward file. */
void route_follow(struct route *r, const struct address *to);

#endif
