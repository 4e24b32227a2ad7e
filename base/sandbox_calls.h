/* Filters of system calls, by seccomp(2). */
#ifndef BASE_SANDBOX_CALLS_H
#define BASE_SANDBOX_CALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>

/* For a list of calls. Some architectures have only the newer ones. */
#ifdef SYS_poll
#define SANDBOX_POLL SYS_poll, SYS_ppoll
#define SANDBOX_EPOLL_WAIT SYS_epoll_wait, SYS_epoll_pwait
#else
#define SANDBOX_POLL SYS_ppoll
#define SANDBOX_EPOLL_WAIT SYS_epoll_pwait
#endif
/* What AddressSanitizer asks for beyond memory and output, with its commas. */
#ifdef __SANITIZE_ADDRESS__
#define SANDBOX_SANITIZER SYS_sigaltstack, SYS_mprotect, SYS_gettid, SYS_sched_yield,
#else
#define SANDBOX_SANITIZER
#endif

/* Kills the process at any system call but the session's few. 0, or -1 with errno. */
int sandbox_seccomp_session(void);

/*
 * Kills the process at any system call but the n listed ones. What maps memory may do so
 * only without PROT_EXEC, and sendto only without an address. n is at most
 * SANDBOX_CALLS. 0, or -1 with errno.
 */
#define SANDBOX_CALLS 60
/* In the list: setsockopt for TCP_QUICKACK only, fcntl F_SETFL, prctl PR_SET_NAME. */
#define SANDBOX_QUICKACK (-2)
#define SANDBOX_SETFL (-3)
#define SANDBOX_SETNAME (-4)
/* In the list: socket, but for AF_UNIX only. */
#define SANDBOX_UNIX (-5)
/* In the list: brk and mmap fail for want of memory instead of killing. */
#define SANDBOX_NO_MEMORY (-6)
/* In the list: madvise for MADV_DONTNEED and MADV_POPULATE_WRITE. */
#define SANDBOX_ADVICE (-7)
int sandbox_seccomp_only(const int *calls, unsigned n);

/* What lets clone() through the nursery's filter, and room for that filter. */
struct sandbox_gate {
	uint64_t secret[3];
	char room[4096 - 3 * sizeof(uint64_t)];
};

/*
 * Memory, between two pages of the same 4 GiB, that rewinding makes as it was. Its end is
 * the first octet behind it; 0: the end of a list.
 */
struct sandbox_room {
	uintptr_t start, end;
};
#define SANDBOX_ROOMS 8 /* in a list */

/*
 * The same filter for the sessions' ancestor, which they inherit; it also allows wait4,
 * and a clone() for SIGCHLD whose third to fifth argument, which mean nothing then, are
 * gate->secret. Two more calls want the first two words of it as their last arguments,
 * which they have not: close() of a descriptor below SANDBOX_KEPT, so that no child can put
 * another one on its number; and, for who is rewound (rewind.h), ptrace() for more than
 * PTRACE_TRACEME. These have rooms: there, and nowhere else, SANDBOX_ADVICE is allowed.
 * rooms: NULL, or a list. fcntl and shutdown are for descriptors from SANDBOX_KEPT on. The
 * secret is left nowhere but in *gate.
 */
int sandbox_seccomp_nursery(struct sandbox_gate *gate, const struct sandbox_room *rooms);

/*
 * The same for the ancestor of processes that may do the n listed calls, among which close
 * is not (E2BIG: no room).
 */
int sandbox_seccomp_nursery_only(struct sandbox_gate *gate, const int *calls, unsigned n,
                                 const struct sandbox_room *rooms);

/* These: nothing on 0 to 2, jobs, and the log. */
#define SANDBOX_KEPT 5

#endif
