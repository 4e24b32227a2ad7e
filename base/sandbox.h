/*
 * What a process gives up before it reads foreign octets: Landlock(7) domains,
 * the seccomp(2) filter of the session, and core dumps.
 */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdint.h>
#include <sys/types.h>

/* Landlock's ABI version of the running kernel; 0 where it is missing or off. */
int sandbox_landlock_abi(void);

/* Dumpable 0: neither a core nor a tracer sees this process. */
int sandbox_no_trace(void);

/* Dumpable 0 and no new privileges, for this process and its children. */
int sandbox_no_new_privs(void);

/*
 * Landlock with no path, no port and no scope. 1: enforced; 0: the kernel has no
 * Landlock; -1 with errno.
 */
int sandbox_landlock_nothing(void);

/*
 * The same, but for TCP connections to n ports (ABI 4; before, seccomp alone says who may
 * connect).
 */
int sandbox_landlock_connect(const uint16_t *ports, unsigned n);

/*
 * Landlock for the keeper: read, write, make and link beneath `state`, read beneath
 * `conf` (descriptors of directories). Needs ABI 2, since ABI 1 forbids links
 * between directories altogether. 1, 0 and -1 as above.
 */
int sandbox_landlock_files(int state, int conf);

/* Landlock for who replaces files beneath one directory, and does nothing else. */
int sandbox_landlock_dir(int dir);

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
int sandbox_seccomp_only(const int *calls, unsigned n);

/* What lets clone() through the nursery's filter, and room for that filter. */
struct sandbox_gate {
	uint64_t secret[3];
	char room[1024];
};

/*
 * The same filter for the sessions' ancestor, which they inherit; it also allows wait4,
 * and a clone() for SIGCHLD whose third to fifth argument, which mean nothing then, are
 * gate->secret. The secret is left nowhere but in *gate.
 */
int sandbox_seccomp_nursery(struct sandbox_gate *gate);

/* The same for the ancestor of processes that may do the n listed calls (E2BIG: no room). */
int sandbox_seccomp_nursery_only(struct sandbox_gate *gate, const int *calls, unsigned n);

/* Effective capability to change uid (capabilities(7)): uid 0 or ambient. */
bool sandbox_is_privileged(void);

/* For good: no groups, gid, uid, no capability. 0, or -1 with errno. */
int sandbox_become(uid_t uid, gid_t gid);

/*
 * The same, but the right to read any file is kept (CAP_DAC_READ_SEARCH), for who has to
 * read root's files again later.
 */
int sandbox_become_reader(uid_t uid, gid_t gid);

/* Gives up every capability; the uid stays. 0, or -1 with errno. */
int sandbox_drop_capabilities(void);

#endif
