/*
 * The only fork that the sessions' seccomp filter lets pass. The nursery installs the
 * filter once and every session inherits it: clone() is allowed when the arguments that
 * it does not use hold a secret, which is nowhere in a session. The relays of tls are
 * forked in the same way.
 */
#ifndef BASE_SPAWN_H
#define BASE_SPAWN_H

#include <sys/types.h>

/*
 * Draws the secret and installs the filter: from here on this process may do what a
 * session may, wait for children, and call spawn_session(). 0, or -1 with errno.
 */
int spawn_lock(void);

/* The same for processes that may do the n calls of sandbox_seccomp_only(). */
int spawn_lock_only(const int *calls, unsigned n);

/*
 * Forks a process that calls run() and ends. It has a stack of its own, and nothing of
 * the caller's, which held arguments and environment, too: getenv() is not for it. Its
 * number, or -1 with errno.
 */
pid_t spawn_session(void (*run)(void));

/* In such a process: gives back what calls that have returned took of its stack. */
void spawn_trim_stack(void);

#endif
