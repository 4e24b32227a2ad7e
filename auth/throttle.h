/*
 * Failures, counted for each login and each source (an IPv4 address or IPv6 /64), in a
 * table that all processes share and that outlives them: STATE/auth/.throttle. An
 * attempt counts when it begins, so that many at once gain nothing, and is taken back
 * when it succeeds. Attempts on one login, or of one source, then start at growing
 * intervals: nothing at first, then 1, 2, 4, 8, 16 seconds, then LIMIT_AUTH_DELAY; one
 * failure is forgiven every five minutes.
 *
 * An address from which a login has succeeded before is let through at once, whoever
 * else fails; only a wrong password waits there, before its answer.
 */
#ifndef AUTH_THROTTLE_H
#define AUTH_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/key.h"
#include "base/limits.h"

#define THROTTLE_FILE ".throttle"
#define THROTTLE_SET_ASIDE ".throttle.bad"

/* Failures without delay. A source may be a whole office behind one address. */
#define THROTTLE_FREE_LOGIN 3
#define THROTTLE_FREE_SOURCE 10

/*
 * Maps the table in the directory auth/; with -1, or where it can't be had (logged), one
 * in memory for this process and its children. 0, or -1 with errno.
 */
int throttle_open(int auth, const unsigned char key[KEY_SIZE]);

/* A descriptor of the table's file, for locks (slots.h). Nobody closes it. */
int throttle_fd(void);

/*
 * Counts an attempt. Milliseconds it has to wait first, or -1: too many wait already, and
 * it was not counted. *known: nothing was counted, it may go on. client "" has no source.
 */
int64_t throttle_enter(const char *login, const char *client, bool *known);

/* It succeeded: takes the count back, and knows the address from now on. */
void throttle_good(const char *login, const char *client, bool known);

/* It failed from a known address: counts it. Milliseconds to wait before the answer. */
int64_t throttle_bad(const char *login, const char *client);

#endif
