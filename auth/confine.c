/* See confine.h. */
#include "auth/confine.h"

#include <stddef.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/sandbox.h"

/* Reading and replacing a verifier, waiting, locking, hashing, answering, logging. */
static const int calls[] = {
	SYS_read, SYS_write, SYS_writev, SYS_close, SYS_openat, SYS_fstat, SYS_newfstatat,
	SYS_lseek, SYS_fsync, SYS_renameat, SYS_linkat, SYS_unlinkat, SYS_fcntl, SYS_flock,
	SYS_recvmsg, SYS_sendmsg, SYS_sendto, SYS_ppoll,
#ifdef SYS_poll
	SYS_poll,
#endif
	SYS_mmap, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_madvise, SYS_brk,
	SYS_clock_gettime, SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday,
	SYS_getrandom, SYS_getpid, SYS_futex, SYS_rt_sigprocmask, SYS_rt_sigreturn,
	SYS_restart_syscall, SYS_exit, SYS_exit_group,
#ifdef __SANITIZE_ADDRESS__
	SYS_sigaltstack, /* what its runtime asks before every _exit() */
#endif
};

int
confine_core(void)
{
	const struct rlimit none = { 0, 0 };

	return setrlimit(RLIMIT_CORE, &none) == -1 ? -1 : sandbox_no_trace();
}

int
confine_attempt(int auth)
{
	if (sandbox_no_new_privs() == -1)
		return -1;
	if ((auth != -1 ? sandbox_landlock_dir(auth) : sandbox_landlock_nothing()) == -1)
		return -1;
	return sandbox_seccomp_only(calls, sizeof calls / sizeof calls[0]);
}
