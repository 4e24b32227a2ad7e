/*
 * A password from the administrator: the first line of standard input, or typed
 * twice at the terminal without echo. It lives in caller's memory and is wiped by
 * password_wipe(); the process makes no core and can't be traced meanwhile.
 */
#ifndef ADMIN_PASSWORD_H
#define ADMIN_PASSWORD_H

#include "admin/admin.h"

#define PASSWORD_MAX LIMIT_PASSWORD

struct password {
	char text[PASSWORD_MAX + 1]; /* prepared (saslprep.h) */
};

/* DONE, or an exit code after telling why. `address` is for the prompt. */
int password_get(struct password *p, const struct admin *a, const char *address);

void password_wipe(struct password *p);

#endif
