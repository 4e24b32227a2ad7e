/*
 * CHECKPOINT (RFC 1845) for a struct transaction: what MAIL's TRANSID finds, and what DATA,
 * the commit and the end of a transaction do otherwise because of it. The files are
 * partial.h's.
 */
#ifndef KEEPER_RESUME_H
#define KEEPER_RESUME_H

#include "keeper/deliver.h"
#include "keeper/transaction.h"

/*
 * After transaction_begin(). owner: "login NAME" or "address IP". ANSWER_YES: a new
 * transaction, and if it is interrupted it can be resumed. ANSWER_RESUME: t is as it was
 * when it was interrupted: id, sender, recipients; resume_offset() says how far it came.
 * ANSWER_BUSY, ANSWER_ERROR.
 */
enum answer resume_find(struct transaction *t, const char *owner, const char *transid);

/* Octets of the message that we have (canonical form); whole: all of them. */
uint64_t resume_offset(const struct transaction *t, bool *whole);

/* For transaction_open(): a message file that stays. False: as for other messages. */
bool resume_open(struct transaction *t);

/* What the session has written so far; see partial_note(). */
bool resume_note(struct transaction *t, uint64_t written, uint64_t canonical);

/*
 * Before the delivery, with the message sealed at `size` octets. ANSWER_YES: d's name and
 * message are set, and the commit is on disk as begun. Another answer is the client's
 * reply: ANSWER_OUTCOMES for a message that was delivered before; ANSWER_DENIED for what no
 * honest session does.
 */
enum answer resume_commit(struct transaction *t, struct delivery *d);

/* After the delivery, whose outcome for all recipients is a; or what hindered it. */
void resume_done(struct transaction *t, enum answer a);

/* Forgets the transaction for good: RSET, or a refusal for good. */
void resume_discard(struct transaction *t);

/* Closes; what was interrupted stays on disk. Called by transaction_end(). */
void resume_leave(struct transaction *t);

#endif
