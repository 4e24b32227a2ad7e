/*
 * What a process gives up before it reads foreign octets: Landlock(7) domains, the
 * system calls it does not need (sandbox_calls.h), privileges, and core dumps.
 */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/sandbox_calls.h"

/* Landlock's ABI version of the running kernel; 0 where it is missing or off. */
int sandbox_landlock_abi(void);

/* Dumpable 0: neither a core nor a tracer sees this process. */
int sandbox_no_trace(void);

/* Soft and hard limit of a resource (setrlimit(2)), or the hard one of now if that is lower. */
int sandbox_limit(int resource, uint64_t n);

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
