/*
 * See confine.h. The lists are what OpenSSL 3, malloc and our own loops need. Memory may
 * grow, but never become executable; nothing can be opened, connected or started.
 */
#include "tls/confine.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sandbox.h"
#include "base/spawn.h"

/* Of both: memory, randomness (the generator looks whether it was forked), time, the log. */
#define COMMON \
	SYS_read, SYS_write, SYS_close, SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, \
	SYS_madvise, SYS_getrandom, SYS_getpid, SYS_clock_gettime, SYS_sendto, \
	SYS_restart_syscall, SYS_rt_sigreturn, SYS_exit_group, SYS_futex, \
	SANDBOX_SANITIZER SYS_gettimeofday

/* Its jobs come and its facts go as packets; a connection is made non-blocking. */
static const int relay_calls[] = {
	COMMON, SANDBOX_POLL, SYS_recvmsg, SYS_recvfrom, SYS_sendmsg, SYS_shutdown, SANDBOX_SETFL,
	SANDBOX_SETNAME,
};

/* recvmsg: channels come over the control socket. */
static const int holder_calls[] = { COMMON, SANDBOX_EPOLL_WAIT, SYS_epoll_ctl, SYS_recvmsg };

void
confine_start(void)
{
	static const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) == -1)
		die_temp("setrlimit", errno);
	if (sandbox_no_new_privs() == -1)
		die_temp("give up new privileges", errno);
}

static bool
give_up(int first)
{
	log_close();
	if (syscall(SYS_close_range, first, ~0U, 0) == -1)
		return false;
	log_reopen();
	/* A kernel without Landlock: seccomp lets nothing be opened either. */
	return sandbox_drop_capabilities() == 0 && sandbox_landlock_nothing() != -1;
}

bool
confine_relays(int first)
{
	return give_up(first) &&
	       spawn_lock_only(relay_calls, sizeof relay_calls / sizeof relay_calls[0]) == 0;
}

bool
confine_holder(int first)
{
	return give_up(first) &&
	       sandbox_seccomp_only(holder_calls, sizeof holder_calls / sizeof holder_calls[0]) == 0;
}

bool
confine_relay(int first)
{
	return give_up(first) &&
	       sandbox_seccomp_only(relay_calls, sizeof relay_calls / sizeof relay_calls[0]) == 0;
}
