/*
 * From a recipient to the mailboxes that will hold the message: served domain,
 * mailbox, catchall, postmaster, forward files. The keeper decides here, on its own
 * knowledge, what a session may address.
 */
#ifndef KEEPER_RESOLVE_H
#define KEEPER_RESOLVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/boundary.h"
#include "base/conf.h"
#include "base/envelope.h"
#include "keeper/forward.h"
#include "keeper/mailbox.h"
#include "keeper/srs.h"

/* One mailbox of a message, or one queue. */
struct destination {
	char path[MAILBOX_PATH];   /* beneath STATE: mail/..., or spool/DOMAIN of a queue */
	struct domain domain;      /* a mailbox's limits */
	enum answer outcome;       /* of the delivery */
	bool queue;
	enum queue_kind {          /* queue: what is due */
		QUEUE_SEND,
		QUEUE_REPORT,      /* a report of delivery */
		QUEUE_HOLD,        /* delivery here, later (RFC 4865) */
	} kind;
	char forwarder[LIMIT_DOMAIN + 1]; /* queue: the domain of ours that sends it on, or "" */
};

/* An address in a queue. */
struct remote {
	struct address address;
	unsigned short destination; /* its queue */
	unsigned short recipient;   /* who led there */
};

/* What the recipients of one message lead to; each mailbox once. */
struct targets {
	unsigned n_destinations, n_links, n_remotes;
	struct destination destinations[LIMIT_DESTINATIONS];
	/* For each recipient a run of indexes into destinations. */
	unsigned short links[2 * LIMIT_DESTINATIONS];
	struct remote remotes[LIMIT_DESTINATIONS];
};

struct recipient {
	struct address address;
	unsigned first, n;        /* its mailboxes: a run of targets.links */
	unsigned notify;          /* NOTIFY and ORCPT, RFC 3461; 0 and "" where not said */
	char orcpt[LIMIT_ORCPT + 1];
};

struct resolver {
	const struct conf *conf;
	int state, domains;        /* held directories */
	bool may_relay;            /* this client, by its address or login */
	bool local_only;           /* VRFY: what would be sent on is refused */
	unsigned recipient;        /* the number of the one being resolved */
	const char *append;        /* RELAYCLIENT's value, or "" */
	bool ignore_quota;         /* whose is it, not does it fit */
	/* the rest is the resolver's own */
	struct targets *targets;
	unsigned first;            /* of this recipient's links */
	uint64_t size;             /* declared, 0 = not */
	uint64_t limit;            /* smallest size limit met */
	bool circle;               /* a mailbox was met again */
	bool broken;               /* a forward file had a line that is no address */
	unsigned n_seen;           /* mailboxes expanded for this recipient */
	char seen[LIMIT_FORWARD_TARGETS][MAILBOX_PATH];
	bool has_srs_key;
	unsigned char srs_key[SRS_KEY];
	struct forward forward[LIMIT_FORWARD_DEPTH];
};

/*
 * A queue for a recipient whose report of delivery is due (NOTIFY=SUCCESS). ANSWER_YES, or
 * why not.
 */
enum answer resolve_report(struct resolver *r, const struct address *a,
                           struct targets *t);

/* The same for one whose message is held back: linked, as resolve_recipient() does. */
enum answer resolve_later(struct resolver *r, const struct address *a, struct targets *t);

/*
 * Adds the mailboxes of one recipient to t. ANSWER_YES, or why not, and then t is as
 * it was. *limit is lowered to the smallest size that a domain met allows.
 */
enum answer resolve_recipient(struct resolver *r, const struct address *a, uint64_t size,
                              struct targets *t, uint64_t *limit);

/*
 * True when mail for `a` would arrive, among others perhaps, in the mailbox of `login`:
 * its own address, with a tag too, an alias, a catchall. Uses scratch.
 */
bool resolve_is_of(struct resolver *r, const struct address *a, const char *login,
                   struct targets *scratch);

/* EXPN: calls tell() with each address a forward file holds, or with the address. */
enum answer resolve_expand(struct resolver *r, const struct address *a,
                           void (*tell)(void *context, const struct address *a),
                           void *context);

#endif
