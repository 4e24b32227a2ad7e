/*
 * The ancestor of sessions, or of relays, and what its master says to it (brood.h): it forks
 * children on order, each with a socket of its own for its jobs, rewinds those that are
 * done, reaps those that have ended, and does nothing else. It reads no octet of the
 * network.
 */
#ifndef BASE_ANCESTOR_H
#define BASE_ANCESTOR_H

#include <stdbool.h>

#include "base/limits.h"
#include "base/spawn.h"

/* A child's descriptors: its jobs; above that the log, or nothing; then it is free. */
#define ANCESTOR_JOBS 3

/* Children at once. */
#define ANCESTOR_CHILDREN (LIMIT_CONNECTIONS + 64)

/* -- Packets on the control socket ----------------------------------------------- */

#define ANCESTOR_ORDER 'o' /* to it: a slot below ANCESTOR_CHILDREN, beside it the jobs' socket */
/* From it: */
#define ANCESTOR_LIVES 'y' /* once */
#define ANCESTOR_BORN 'b'  /* a slot: its child has been forked */
#define ANCESTOR_READY 'r' /* a slot: its child was done, and is as if just forked */
#define ANCESTOR_ENDED 'e' /* a slot, and what wait() said */
#define ANCESTOR_SHORT 'f' /* a number of errno: none can be forked for now; told once */
#define ANCESTOR_OLD 'a'   /* it has used half of LIMIT_SESSION_CPU: another is to take over */

/*
 * In what is to become one: standard descriptors stay, the log is opened anew, and all
 * others but control are closed. 0, or -1 with errno.
 */
int ancestor_settle(int control);

/*
 * Its life, after ancestor_settle() and all confinement but the filter. s->maps is set
 * here; other descriptors are closed. Returns when its master has gone and all children have ended, or with false when it
 * could not begin (errno).
 */
bool ancestor_run(struct spawn *s);

#endif
