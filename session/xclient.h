/*
 * XCLIENT (Postfix's XCLIENT_README): a configured proxy tells who its client is.
 */
#ifndef SESSION_XCLIENT_H
#define SESSION_XCLIENT_H

#include "session/session.h"

/* True when this client may say it, and then EHLO announces it. */
bool xclient_is_allowed(const struct session *s);

const struct reply *xclient_do(struct session *s, const char *arg);

#endif
