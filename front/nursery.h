/*
 * The ancestor of the sessions (base/ancestor.h). It is confined once, then forks session
 * processes ahead of need, and rewinds those that have served.
 */
#ifndef FRONT_NURSERY_H
#define FRONT_NURSERY_H

#include <sys/types.h>

#include "base/brood.h"
#include "front/front.h"

struct nursery {
	pid_t pid;
	struct brood *sessions;
};

/*
 * Forks it, and waits until it is confined. 0, or -1 with errno, which is 0 where the
 * nursery has logged the reason.
 */
int nursery_start(struct nursery *n, const struct front_setup *setup);

/* Gives a job (base/job.h) to a session that waits. 0, or -1 with errno, as brood_give(). */
int nursery_give(struct nursery *n, const struct job *j);

/* Logs that a session died, unless by ending. The signal that killed it, or 0. */
int nursery_log_death(int status);

/* Idle sessions end, busy ones and the nursery when they are done. */
void nursery_stop(struct nursery *n);

#endif
