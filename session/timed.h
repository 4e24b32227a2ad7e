/* DELIVERBY (RFC 2852), FUTURERELEASE (RFC 4865), MT-PRIORITY (RFC 6710) of a session. */
#ifndef SESSION_TIMED_H
#define SESSION_TIMED_H

#include "session/parameter.h"
#include "session/session.h"

/* Is the extension offered now, and what stands behind its name in EHLO's answer? */
bool timed_has_by(const struct session *s);
bool timed_has_hold(const struct session *s);
bool timed_has_priority(const struct session *s);
void timed_add_by(const struct session *s, struct text *t);
void timed_add_hold(const struct session *s, struct text *t);
void timed_add_priority(const struct session *s, struct text *t);

/* Before the keeper hears of MAIL: why these parameters can't be had; NULL: they can. */
const struct reply *timed_object(const struct session *s, const struct mail_parameters *m);

/*
 * After it has: tells it. NULL when nothing of it was said. &reply_sender_ok and
 * &reply_priority (with s->detail) when the message goes on; others end it.
 */
const struct reply *timed_begin(struct session *s, const struct mail_parameters *m);

#endif
