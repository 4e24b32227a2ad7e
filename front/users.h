/*
 * Who each process is to be, told by owners of files and numbers of the configuration;
 * no name service is asked. A struct user of 0 says: stay who you are, since you
 * may not change it.
 */
#ifndef FRONT_USERS_H
#define FRONT_USERS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/conf.h"

struct user {
	uid_t uid;
	gid_t gid;
};

/* STATE and what is below it, such as "/jail": a few octets more. */
#define USERS_PATH (LIMIT_FILE + 16)
void users_state_path(char out[USERS_PATH], const struct conf *c, const char *below);

/*
 * Of the session: session-user, or the owner of STATE/jail.owner. Of the keeper: STATE's
 * owner. Of auth: the owner of STATE/auth. None of them is ever root. NULL and *u, or
 * what to tell the administrator, with errno or 0.
 */
const char *users_session(const struct conf *c, struct user *u);
const char *users_keeper(int state, struct user *u);
const char *users_auth(const struct conf *c, struct user *u);

/* Of tls: who owns its key, root too; tls itself then gives up what it does not need. */
const char *users_tls(const struct conf *c, ini_report *report, struct user *u);

#endif
