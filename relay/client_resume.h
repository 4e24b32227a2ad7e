/*
 * CHECKPOINT (RFC 1845), the client's side: which messages it is used for, by which name a
 * transaction is known, and what the server's answers mean. Not for others than client_send.c.
 */
#ifndef RELAY_CLIENT_RESUME_H
#define RELAY_CLIENT_RESUME_H

#include "relay/client_transaction.h"

/*
 * Before MAIL of a transaction whose recipients wait among those from t->first on, at most
 * `most`: sets m->transid, or leaves it "". The name is the same whenever the same message
 * goes to the same recipients in the same form.
 */
void client_resume_name(struct transaction *t, uint64_t most);

/*
 * The reply to such a MAIL. True: it is dealt with: t is where it was interrupted, or
 * t->again is set, and MAIL is to be said again without a name.
 */
bool client_resume_hear(struct transaction *t, const struct client_reply *r);

/*
 * The same for the reply to BDAT: a server may have CHUNKING and CHECKPOINT, and not both
 * at once. True: t->again is set, and the message is to go by DATA.
 */
bool client_resume_hear_chunk(struct transaction *t, const struct client_reply *r);

/* After a resumed MAIL: recipients are what they were, all of them taken. */
void client_resume_recipients(struct transaction *t, uint64_t most);

/*
 * Trouble, or a 421, in a transaction with a name. True: it is no outcome; c->cut is set,
 * and the message is to be sent again over another connection.
 */
bool client_resume_cut(struct transaction *t);

#endif
