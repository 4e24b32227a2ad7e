/*
 * How the ancestor of many processes forks them: the sessions' nursery, and the ancestor
 * of the relays of tls. It is confined once, and all that confines it they inherit. Where
 * the host allows it they are rewound when they are done (rewind.h), and serve again.
 */
#ifndef BASE_SPAWN_H
#define BASE_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/rewind.h"

#define SPAWN_HOT 6

struct spawn {
	const int *calls; /* of sandbox_seccomp_only(); NULL: those of a session */
	unsigned n;
	unsigned descriptors; /* that a child has at once, from SANDBOX_KEPT on */
	/* What a child does; when it returns, the child is rewound to do it again, or ends. */
	void (*run)(void);
	bool once;        /* a child serves once: it is not rewound, but ends */
	bool rests;       /* it calls rewind_rest() */
	struct rewind_hot hot[SPAWN_HOT]; /* size 0: none; beside them the stack's end is hot */
	int maps;         /* of rewind_open(), or -1: children serve once. Closed. */
};

/*
 * Confines the caller; spawn_child() is what it may do more. All its memory is as children
 * are to have it, and it maps none from here on. 0, or -1 with errno.
 */
int spawn_lock(const struct spawn *s);

/*
 * Forks a child, which has a stack of its own, and nothing of the caller's, which held
 * arguments and environment, too: getenv() is not for it. Its number, or -1 with errno.
 */
pid_t spawn_child(void);

/* Are children rewound here? After spawn_lock(). */
bool spawn_rewinds(void);

/*
 * Of a child that wait() says is stopped by sig. True: it was done, and serves again (its
 * first stop is before it has begun).
 */
bool spawn_stopped(pid_t pid, int sig);

/* In a child: gives back what calls that have returned took of its stack. */
void spawn_trim_stack(void);

#endif
