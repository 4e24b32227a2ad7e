/* AUTH (RFC 4954): the dialogue on the wire. What is in it the keeper asks auth. */
#ifndef SESSION_SASL_H
#define SESSION_SASL_H

#include <stdbool.h>

#include "session/session.h"

/* EHLO: whether to offer AUTH, and " MECHANISM..." behind it, strongest first. */
bool sasl_is_offered(const struct session *s);
void sasl_add_mechanisms(const struct session *s, struct text *t);

/* "MECHANISM [initial-response]" */
const struct reply *sasl_do_auth(struct session *s, const char *arg);

#endif
