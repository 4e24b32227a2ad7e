/*
 * What the nursery of sessions and the ancestor of relays do all their life: fork as many
 * as they are told to, and reap those that have ended.
 */
#ifndef BASE_SPAWN_LOOP_H
#define BASE_SPAWN_LOOP_H

/* The order, a packet on `control`: how many more, at most LIMIT_CONNECTIONS. */
#define SPAWN_ORDER 'o'

struct spawn_loop {
	int control;
	void (*run)(void);         /* in what is forked, by spawn_session() */
	void (*reap)(void);        /* all that has ended; never waits */
	void (*is_short)(int err); /* none can be forked for now; said once, tried again */
	void (*ordered)(void);     /* after each order; may be NULL */
};

/* Before the filter of spawn_lock(): SIGCHLD is heard only while the loop waits. */
void spawn_loop_signals(void);

/*
 * Those that have ended are reaped at once when there is little to do, and in batches when there is much.
 * Returns at the end of control, or at a packet that is none of ours. Nothing static is
 * written: a fork would make it a page copied.
 */
void spawn_loop(const struct spawn_loop *l);

#endif
