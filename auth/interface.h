/*
 * The two ends of the checkpassword interface (cr.yp.to/checkpwd/interface.html): what
 * comes in on descriptor 3, and the program that is run when it was right.
 */
#ifndef AUTH_INTERFACE_H
#define AUTH_INTERFACE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/limits.h"

#define INTERFACE_FD 3

/* Exit codes, of the interface. */
enum { INTERFACE_GOOD = 0, INTERFACE_WRONG = 1, INTERFACE_MISUSED = 2, INTERFACE_LATER = 111 };

/*
 * Three strings, pointing into the octets read: login, password, timestamp; or login and
 * the two of a challenge and its response.
 */
struct interface_input {
	const char *login, *second, *third;
	char octets[LIMIT_CHECKPASSWORD + 1];
};

/*
 * False unless there are three NUL-ended strings and the login is not empty; more may
 * follow and is ignored. in->octets has a NUL at octets[len].
 */
bool interface_split(struct interface_input *in, size_t len);

/* Reads descriptor 3 to its end, a minute at most. 0, or the exit code (logged). */
int interface_read(struct interface_input *in);

/* Sets USER, HOME and SHELL and becomes the program. Returns an exit code (logged). */
int interface_run(const char *user, const char *home, const char *shell, char **program);

#endif
