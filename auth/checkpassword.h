/*
 * auth as a checkpassword program (cr.yp.to/checkpwd/interface.html): login, password and
 * timestamp on descriptor 3, or login, challenge and response of CRAM-MD5; then it runs a
 * program as the mailbox.
 */
#ifndef AUTH_CHECKPASSWORD_H
#define AUTH_CHECKPASSWORD_H

#include "auth/attempt.h"
#include "auth/interface.h"

/*
 * CRAM-MD5 or a password? It is a challenge when one field is "<...@...>" and the other
 * 32 hexadecimal digits, in the configured order: no timestamp looks like a digest.
 */
bool checkpassword_is_response(const struct interface_input *c, bool response_first,
                               const char **challenge, const char **response);

/* Ends in the program's exec, or returns the exit code: 1 wrong, 2 misused, 111 later. */
int checkpassword_run(struct auth *auth, char **program);

#endif
