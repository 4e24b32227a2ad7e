/*
 * What the ancestor of confined processes may do and they may not, although they inherit
 * its seccomp filter: some calls are let through when the arguments that they do not use
 * hold a secret, which is nowhere in a process that it forks.
 */
#ifndef BASE_GATE_H
#define BASE_GATE_H

#include <sys/types.h>

#include "base/sandbox_calls.h"

/*
 * Draws the secret. Before gate_lock*(), and before anything of the caller's memory is
 * copied elsewhere. 0, or -1 with errno.
 */
int gate_make(void);

/*
 * Installs the filter: from here on this process may do what a session may, wait for
 * children, and what follows here. rooms: gate_trace() is called, too, children may have
 * themselves traced, and this is where they may give advice on memory; NULL: none of that.
 * 0, or -1 with errno.
 */
int gate_lock(const struct sandbox_room *rooms);

/* The same for processes that may do the n calls of sandbox_seccomp_only(). */
int gate_lock_only(const int *calls, unsigned n, const struct sandbox_room *rooms);

/*
 * clone(2) for SIGCHLD alone: the child, on the stack that ends at `top`, calls run() and
 * ends. Its number, or -1 with errno.
 */
pid_t gate_fork(char *top, void (*run)(void));

/* ptrace(2). Its result, or -1 with errno. */
long gate_trace(long request, pid_t pid, unsigned long addr, unsigned long data);

/* close(2) of a descriptor below SANDBOX_KEPT, which children can't close. */
void gate_close(int fd);

#endif
