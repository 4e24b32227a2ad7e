/*
 * One message to its recipients over a connection that client.h has made ready: one or
 * more transactions (RFC 5321 3.3), pipelined (RFC 2920) and in chunks (RFC 3030) where
 * the peer offers that.
 */
#ifndef RELAY_CLIENT_SEND_H
#define RELAY_CLIENT_SEND_H

#include "base/address.h"
#include "base/envelope.h"
#include "relay/client.h"
#include "relay/content.h"

struct client_to {
	struct address address;
	unsigned notify;
	char orcpt[LIMIT_ORCPT + 1];
	enum client_to_state {
		TO_WAITS,
		TO_TAKEN,  /* the peer said yes to RCPT */
		TO_DONE,   /* reported */
	} state;
};

struct client_message {
	char id[LIMIT_ID + 1];        /* "": it can't be resumed */
	char transid[LIMIT_TRANSID + 1]; /* client_send()'s own: of the transaction, or "" */
	int fd;                       /* for pread(2) */
	uint64_t skip, size;
	enum envelope_body body;
	bool utf8, require_tls;
	struct deliver_by by;         /* RFC 2852 */
	int priority;                 /* RFC 6710 */
	bool priority_field;          /* in the header, for hops that do not offer it (RFC 6758) */
	bool eager;                   /* resumed however short, and its progress told */
	bool wish_tls;                /* REQUIRETLS where it is offered (RFC 8689 5) */
	enum envelope_ret ret;
	char envid[LIMIT_ENVID + 1];
	char auth[LIMIT_ADDRESS + 1];
	struct address sender;
	unsigned n;
	struct client_to to[LIMIT_RECIPIENTS];
};

/* What became of recipient i. Called once for each, in their order within a transaction. */
typedef void client_report(void *arg, unsigned i, const struct client_verdict *v);

/*
 * Sends m. Afterwards each recipient has been reported, but where io's trouble is
 * CLIENT_ABANDONED, or where c->has_rest: then those who wait are for another connection; or
 * where c->cut says that another one will go on where this one broke (RFC 1845).
 * c->unusable tells whether this one is good for another message.
 */
void client_send(struct client *c, struct client_message *m, client_report *report,
                 void *arg);

/* Once all is reported: QUIT where the peer takes no more transactions (RFC 9422 MAILMAX). */
void client_send_end(struct client *c);

#endif
