/*
 * auth as a checkpassword program (cr.yp.to/checkpwd/interface.html): login, password and
 * timestamp on descriptor 3, or login, challenge and response of CRAM-MD5; then it runs a
 * program as the mailbox.
 */
#ifndef AUTH_CHECKPASSWORD_H
#define AUTH_CHECKPASSWORD_H

#include "auth/attempt.h"

/* What descriptor 3 may hold. */
#define CHECKPASSWORD_MAX 512

/* The three strings, pointing into the octets read. */
struct checkpassword {
	const char *login, *second, *third;
};

/*
 * False unless there are three NUL-ended strings and the login is not empty; more may
 * follow and is ignored. octets has a NUL at octets[len].
 */
bool checkpassword_read(struct checkpassword *c, const char *octets, size_t len);

/*
 * CRAM-MD5 or a password? It is a challenge when one field is "<...@...>" and the other
 * 32 hexadecimal digits, in the configured order: no timestamp looks like a digest.
 */
bool checkpassword_is_response(const struct checkpassword *c, bool response_first,
                               const char **challenge, const char **response);

/* Ends in the program's exec, or returns the exit code: 1 wrong, 2 misused, 111 later. */
int checkpassword_run(struct auth *auth, char **program);

#endif
