/*
 * What the session may ask its keeper: one function for each verb of
 * base/boundary.h. A keeper that is gone, silent or unclear answers ANSWER_GONE.
 */
#ifndef SESSION_ASK_H
#define SESSION_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/boundary.h"
#include "base/ip.h"
#include "base/packet.h"

#define ANSWER_GONE ((enum answer)0)

struct ask {
	struct packet packet; /* the question, then its answer */
	int fd;               /* the boundary; reads on it have a deadline (SO_RCVTIMEO) */
	bool gone;
};

void ask_init(struct ask *k, int fd);

struct sender {
	const char *helo;
	struct address address;
	bool esmtp, smtputf8, eight_bit, binary;
	uint64_t size; /* declared, 0 = not */
};

/* The client is really at this address: from a PROXY header, or from XCLIENT. */
enum answer ask_peer(struct ask *k, const struct ip *ip);
enum answer ask_xclient(struct ask *k, const struct ip *ip); /* NULL: as it was */

/* auth: the value of AUTH=, "" where there was none. */
enum answer ask_begin(struct ask *k, const struct sender *s, const char *auth);

/* RET and ENVID of the message begun; NOTIFY and ORCPT of the next recipient (RFC 3461). */
void ask_return(struct ask *k, const char *ret, const char *envid);
void ask_notify(struct ask *k, unsigned notify, const char *orcpt);

/*
 * BY, HOLDFOR, HOLDUNTIL and MT-PRIORITY of the message begun, as MAIL has them, "" where
 * not. On ANSWER_YES *priority is the one that counts; after another answer there is no
 * message begun.
 */
struct mail_parameters;
enum answer ask_timed(struct ask *k, const struct mail_parameters *m, int *priority);

/* On ANSWER_YES *limit is the largest size, in octets, that this message may have. */
enum answer ask_recipient(struct ask *k, const struct address *a, uint64_t *limit);

/* On ANSWER_YES *fd is the message file, open for appending, and id the message's. */
enum answer ask_body(struct ask *k, int *fd, char id[LIMIT_ID + 1]);

/*
 * CHECKPOINT (RFC 1845), after ask_begin(). ANSWER_YES: a new transaction. ANSWER_RESUME:
 * *r is filled; before it, for each of the first recipients, one call of seen().
 */
struct resume {
	uint64_t offset;     /* octets of the message that are there, canonical form */
	unsigned recipients;
	uint64_t limit;      /* as of ask_recipient() */
	bool whole;          /* nothing is to follow */
};
enum answer ask_transid(struct ask *k, const char *transid, struct resume *r,
                        void (*seen)(void *context, const char *address), void *context);

/* So many octets were written to the file of ask_body(), and the message has so many. */
void ask_note(struct ask *k, uint64_t written, uint64_t canonical);

/* As ask_abort(), but what can be resumed stays. */
void ask_park(struct ask *k);

/*
 * After the file is closed. On ANSWER_OUTCOMES id and outcomes are filled: one
 * enum answer for each recipient accepted, in order.
 */
enum answer ask_commit(struct ask *k, char id[LIMIT_ID + 1],
                       char outcomes[LIMIT_RECIPIENTS + 1]);

void ask_abort(struct ask *k);

/*
 * VRFY and EXPN. Each ANSWER_MORE leaves addresses in k->packet.field[]: call
 * ask_more() until it returns something else.
 */
enum answer ask_verify(struct ask *k, const struct address *a);
enum answer ask_expand(struct ask *k, const struct address *a);
enum answer ask_more(struct ask *k);

/* Can TLS be had? */
enum answer ask_tls(struct ask *k);

/*
 * After the plain descriptor is closed. On ANSWER_YES *fd is the connection from now
 * on; certificate: the client has shown one; channel: there is one to bind to.
 */
enum answer ask_secure(struct ask *k, int *fd, bool *certificate, bool *channel);

/*
 * RFC 4954. response is base64; on ANSWER_CHALLENGE so is k->packet.field[0]. The
 * packet is wiped of what was sent.
 */
enum answer ask_auth(struct ask *k, const char *mechanism, const char *response);
enum answer ask_response(struct ask *k, const char *response);
void ask_cancel(struct ask *k);

/* ETRN. On ANSWER_YES *count is how many messages wait. */
enum answer ask_flush(struct ask *k, enum ask_kind kind, const char *name, uint64_t *count);

/* ATRN: domains with a comma between them, or "". */
enum answer ask_turn(struct ask *k, const char *domains);
/* After the descriptor is closed: the connection is another's. Nothing may be asked then. */
void ask_turned(struct ask *k);

void ask_log(struct ask *k, enum event e);

#endif
