/* ETRN (RFC 1985), ATRN: a login asks for the mail that waits for its domain. */
#ifndef SESSION_DEMAND_H
#define SESSION_DEMAND_H

#include "session/session.h"

/* EHLO names it where a domain has somebody who may ask. */
bool demand_is_offered(const struct session *s);

const struct reply *demand_do_etrn(struct session *s, const char *arg);

/* ATRN (RFC 2645): the same, over this connection, with client and server exchanged. */
bool demand_may_turn(const struct session *s);

const struct reply *demand_do_atrn(struct session *s, const char *arg);

#endif
