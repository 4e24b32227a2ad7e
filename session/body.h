/* Receiving a message: DATA (RFC 5321 4.1.1.4) and BDAT (RFC 3030). */
#ifndef SESSION_BODY_H
#define SESSION_BODY_H

#include "session/session.h"

const struct reply *body_do_data(struct session *s, const char *arg);
const struct reply *body_do_bdat(struct session *s, const char *arg);

/*
 * BDAT refused before it ran: its octets are on their way all the same and must
 * not be taken for commands.
 */
void body_skip_chunk(struct session *s, const char *arg);

/* Closes and forgets the message file. */
void body_drop(struct session *s);

#endif
