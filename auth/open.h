/* What every process of auth begins with: configuration, STATE/auth, key, failure table. */
#ifndef AUTH_OPEN_H
#define AUTH_OPEN_H

#include "auth/attempt.h"

/* Reads the configuration; errors are logged. False: there were some. */
bool open_conf(struct auth *auth, const char *file);

/*
 * Started with privilege and without a foreign program, becomes the owner of STATE/auth
 * for good; then opens it, the key and the table. 0, or -1 (logged).
 */
int open_state(struct auth *auth);

#endif
