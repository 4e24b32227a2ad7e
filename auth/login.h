/*
 * A login name, as a client typed it, and the account it means. The rules are those of
 * mailboxes (base/name.h): case and Unicode form do not matter, "+tag" is cut off. A
 * name without "@" means that local part in the domain `hostname`.
 */
#ifndef AUTH_LOGIN_H
#define AUTH_LOGIN_H

#include <stdbool.h>

#include "base/limits.h"

struct login {
	char name[LIMIT_ADDRESS + 1];     /* canonical, quoted where RFC 5321 wants it */
	char domain[LIMIT_NAME + 1];      /* directory names beneath auth/ */
	char mailbox[LIMIT_NAME + 1];
};

/* False, and *l empty, where it can't be anybody's. */
bool login_read(struct login *l, const char *typed, const char *hostname);

#endif
