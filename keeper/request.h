/*
 * The requests of a session, for the files of the keeper that answer them: what a
 * keeper holds of one session, and the handlers that request.c's table names.
 */
#ifndef KEEPER_REQUEST_H
#define KEEPER_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/boundary.h"
#include "base/packet.h"
#include "keeper/demand.h"
#include "keeper/keeper.h"
#include "keeper/login.h"
#include "keeper/resolve.h"
#include "keeper/secure.h"
#include "keeper/transaction.h"

/* What the session has said so far; see the table in request.c. */
enum fact {
	BEGUN = 1 << 0,
	RECIPIENT = 1 << 1,
	BODY = 1 << 2,
	SPOKEN = 1 << 3,   /* something has been asked, in this session */
	SECURED = 1 << 4,  /* TLS is up */
	EXCHANGE = 1 << 5, /* of authentication, under way */
	LOGIN = 1 << 6,
	TURNING = 1 << 7,  /* ATRN is granted: the connection is about to be flush's */
};

/* These outlast a transaction. */
#define LASTING (SPOKEN | SECURED | LOGIN)

struct keeper {
	struct keeper_setup *setup; /* our copy: the client may become another */
	struct keeper_setup own;
	struct ip peer;        /* the client after PROXY, before XCLIENT */
	unsigned have;         /* facts */
	uint64_t events;       /* logged for this session */
	bool lost;             /* an answer could not be sent */
	struct packet in, out;
	struct secure secure;
	struct login login;
	unsigned asked;        /* ETRN and ATRN so far */
	bool turned;           /* the last word was said */
	struct demand_turn turn;
	unsigned notify;       /* of the next recipient */
	char orcpt[LIMIT_ORCPT + 1];
	struct transaction transaction;
	struct resolver resolver;
	struct targets scratch; /* for VRFY, and for whose a sender is */
};

/* Answers the packet in k->in. False: it is not one that a session sends. */
bool request_handle(struct keeper *k);

/* Sends k->out, and fd beside it unless fd is -1; true. */
bool request_reply(struct keeper *k, int fd);
/* The same with a bare letter. */
bool request_say(struct keeper *k, enum answer a);

/* ANSWER_MORE with one address; context is a struct keeper. */
void request_say_address(void *context, const struct address *a);
/* The client may begin another one. */
void request_end_transaction(struct keeper *k);

/* request_resume.c: CHECKPOINT. */
bool resume_do_transid(struct keeper *k);
bool resume_do_note(struct keeper *k);
bool resume_do_park(struct keeper *k);
/*
 * RCPT to a resumed transaction. ANSWER_YES: it has this recipient already. ANSWER_FIXED: it could
 * be one, but not of this transaction any more. Or why it cannot.
 */
enum answer resume_recipient(struct transaction *t, const struct address *a);

/* request_timed.c: DELIVERBY, FUTURERELEASE, MT-PRIORITY. */
bool timed_do(struct keeper *k);

/* client.c: who the client is. */
bool client_do_peer(struct keeper *k);
bool client_do_xclient(struct keeper *k);
bool client_do_tls(struct keeper *k);
bool client_do_secure(struct keeper *k);
bool client_do_auth(struct keeper *k);
bool client_do_response(struct keeper *k);
bool client_do_cancel(struct keeper *k);

/* request_demand.c: mail that its owner asks for. */
bool demand_do_flush(struct keeper *k);
bool demand_do_turn(struct keeper *k);
bool demand_do_turned(struct keeper *k);

#endif
