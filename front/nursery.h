/*
 * The ancestor of the sessions. It is confined once, then forks session processes on
 * the front's word; each of them waits on the common queue for one connection. So a
 * connection costs one fork, and that ahead of time.
 */
#ifndef FRONT_NURSERY_H
#define FRONT_NURSERY_H

#include <sys/types.h>

#include "front/front.h"

struct nursery {
	pid_t pid;
	int control; /* the front's end */
	int queue;   /* the front's end: jobs in, FRONT_READY out */
};

/*
 * Forks it, and waits until it is confined. 0, or -1 with errno, which is 0 where the
 * nursery has logged the reason.
 */
int nursery_start(struct nursery *n, const struct front_setup *setup);

/* Orders n more sessions. -1: the nursery is gone. */
int nursery_order(struct nursery *n, unsigned sessions);

/*
 * Reads one report of the nursery. 1: a session died otherwise than by ending,
 * which has been logged, by signal *sig or 0; 2: it is time for another nursery, which
 * this one waits for; 0: there is none; -1: the nursery is gone.
 */
int nursery_hear(struct nursery *n, int *sig);

/* Closes our ends: idle sessions and the nursery end by themselves. */
void nursery_stop(struct nursery *n);

#endif
