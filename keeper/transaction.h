/*
 * One message from MAIL to its end, on the keeper's side: what the session has said
 * (checked for form by keeper.c), and what the keeper has made of it.
 */
#ifndef KEEPER_TRANSACTION_H
#define KEEPER_TRANSACTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/boundary.h"
#include "base/helper.h"
#include "keeper/keeper.h"
#include "keeper/message.h"
#include "keeper/partial.h"
#include "keeper/resolve.h"

/* What MAIL says. */
struct mail_from {
	char helo[LIMIT_DOMAIN + 3];
	char local[24];           /* a program of this host, "uid 1000"; "" = an SMTP client */
	struct address sender;    /* local "" for <> */
	bool esmtp, smtputf8;
	uint64_t size;            /* SIZE=, 0 = not said */
	bool login;               /* the client has authenticated */
	const struct tls_facts *tls; /* NULL without TLS */
	const char *login_name;   /* "" without one */
	enum envelope_body body;
	enum envelope_ret ret;    /* RET and ENVID, RFC 3461 */
	char envid[LIMIT_ENVID + 1];
	char auth[LIMIT_ADDRESS + 1]; /* AUTH=, decoded */
	bool require_tls;         /* RFC 8689 */
	struct deliver_by by;     /* RFC 2852 */
	time_t release;           /* RFC 4865; 0 = at once */
	uint64_t hold_for;        /* what HOLDFOR said; 0: it did not */
	int priority;             /* RFC 6710, as it counts */
};

struct transaction {
	const struct keeper_setup *setup;
	struct mail_from from;
	char id[LIMIT_ID + 1];
	uint64_t count;           /* messages begun in this session */
	uint64_t refusals;        /* recipients refused in this session */
	uint64_t limit;           /* smallest size limit of the recipients, octets */
	uint64_t trace_len;       /* octets we wrote before the message */
	uint64_t skip;            /* of them, those that do not travel: up to Received */
	uint64_t base;            /* octets there before this session writes */
	struct message message;
	struct partial partial;   /* with TRANSID (resume.h); its dir is -1 without */
	int tmp;                  /* STATE/tmp, once opened; or -1 */
	unsigned n_recipients;
	struct recipient recipients[LIMIT_RECIPIENTS];
	struct targets targets;
	struct envelope envelope;  /* of a queue, while it is written */
	struct resolver *resolver;
};

void transaction_init(struct transaction *t, const struct keeper_setup *setup,
                      struct resolver *resolver);

enum answer transaction_begin(struct transaction *t, const struct mail_from *from);
/* notify and orcpt as in struct recipient. */
enum answer transaction_add(struct transaction *t, const struct address *to,
                            unsigned notify, const char *orcpt);
/* What transaction_add() would answer for a recipient that does not come to it; t stays as it is. */
enum answer transaction_try(struct transaction *t, const struct address *to);

/* Makes the message file, trace lines written; t->message.fd is for the session. */
enum answer transaction_open(struct transaction *t);

/*
 * Seals, checks, delivers, logs. ANSWER_OUTCOMES: outcomes has an answer letter for
 * each recipient. Otherwise the refusal of them all; ANSWER_DENIED when somebody
 * still holds the file open for writing, which no honest session does.
 */
enum answer transaction_commit(struct transaction *t,
                               char outcomes[LIMIT_RECIPIENTS + 1]);

/*
 * Forgets the message and whatever was written of it. What can be resumed (resume.h) stays
 * on disk.
 */
void transaction_end(struct transaction *t);

/* Closes what init and open left open. */
void transaction_close(struct transaction *t);

/* For resume.c: steps of the above. */
void transaction_forget_recipients(struct transaction *t);
int transaction_write_trace(struct transaction *t);
void transaction_fill_envelope(struct transaction *t, uint64_t size);

#endif
