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

/* Of both: randomness (the generator looks whether it was forked), time, the log. */
#define COMMON \
	SYS_read, SYS_write, SYS_getrandom, SYS_getpid, SYS_clock_gettime, \
	SYS_sendto, SYS_restart_syscall, SYS_rt_sigreturn, SYS_exit_group, SYS_futex, \
	SANDBOX_SANITIZER SYS_gettimeofday

/*
 * Its jobs come and its facts go as packets; a connection is made non-blocking. It has all
 * its memory already (heap.h): what maps none leaves a rewound one as it was forked.
 */
#ifdef __SANITIZE_ADDRESS__
#define RELAY_MEMORY SYS_madvise, SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap
#else
#define RELAY_MEMORY SANDBOX_ADVICE, SANDBOX_NO_MEMORY
#endif
#define RELAY \
	COMMON, RELAY_MEMORY, SANDBOX_POLL, SYS_recvmsg, SYS_recvfrom, SYS_shutdown, \
	SANDBOX_SETFL, SANDBOX_SETNAME

static const int relay_calls[] = { RELAY };
static const int lone_relay_calls[] = { RELAY, SYS_close };

/* recvmsg: channels come over the control socket. */
static const int holder_calls[] = {
	COMMON, SYS_close, SYS_madvise, SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SANDBOX_EPOLL_WAIT,
	SYS_epoll_ctl, SYS_recvmsg,
};

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

/* A relay's: asker, channel, connection, plain side, and room for what surprises us. */
#define RELAY_DESCRIPTORS 8

void
confine_start(void)
{
	static const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) == -1)
		die_temp("setrlimit", errno);
	if (sandbox_no_new_privs() == -1)
		die_temp("give up new privileges", errno);
}

/* A kernel without Landlock: seccomp lets nothing be opened either. */
static bool
give_up(void)
{
	return sandbox_drop_capabilities() == 0 && sandbox_landlock_nothing() != -1;
}

static bool
close_from(int first)
{
	log_close();
	if (syscall(SYS_close_range, first, ~0U, 0) == -1)
		return false;
	log_reopen();
	return true;
}

bool
confine_relays(struct spawn *s)
{
	s->calls = relay_calls;
	s->n = LENGTH(relay_calls);
	s->descriptors = RELAY_DESCRIPTORS;
	return give_up();
}

bool
confine_holder(int first)
{
	return close_from(first) && give_up() &&
	       sandbox_seccomp_only(holder_calls, LENGTH(holder_calls)) == 0;
}

bool
confine_relay(int first)
{
	return close_from(first) && give_up() &&
	       sandbox_seccomp_only(lone_relay_calls, LENGTH(lone_relay_calls)) == 0;
}
