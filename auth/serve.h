/* The child for one attempt: the dialogue of base/helper.h with the keeper. */
#ifndef AUTH_SERVE_H
#define AUTH_SERVE_H

#include "auth/attempt.h"

/* Serves the connection to its end; the exit code. auth->foreign is set here. */
int serve_attempt(struct auth *auth, int conn);

/* One line for how an attempt ended: event=auth or event=auth-failed. */
void serve_log(const struct attempt *a, enum outcome o);

#endif
