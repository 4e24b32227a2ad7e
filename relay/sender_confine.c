/*
 * How a process becomes a sender. It connects before the last step, since what needs
 * socket() and connect() needs no foreign octet, and what reads those needs neither.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "relay/sender.h"
#include "relay/sender_lock.h"

/* The boundary, a connection, the one that TLS gives back, a message, one to refuse. */
#define DESCRIPTORS (SENDER_BOUNDARY + 5)

static void
cap(int what, uint64_t n)
{
	if (sandbox_limit(what, n) == -1)
		die_temp("setrlimit of a sender", errno);
}

/* Everything that can be logged; then the descriptors, where only the exit code tells. */
void
sender_confine(int boundary, const char *jail, uid_t uid, gid_t gid)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null == -1)
		die_temp("open /dev/null", errno);
	(void)signal(SIGPIPE, SIG_IGN); /* valid signals: these cannot fail */
	(void)signal(SIGXFSZ, SIG_IGN);
	cap(RLIMIT_CORE, 0);
	cap(RLIMIT_FSIZE, 0);
	cap(RLIMIT_CPU, LIMIT_SENDER_CPU);
	if (uid != 0) {
		if (chroot(jail) == -1 || chdir("/") == -1)
			die_temp("chroot of a sender to the jail (postern check says more)", errno);
		if (sandbox_become(uid, gid) == -1)
			die_temp("become the session user", errno);
	}
	if (sandbox_no_new_privs() == -1)
		die_temp("give up new privileges", errno);
	log_close();
	for (int fd = 0; fd <= 2; fd++)
		if (boundary != fd && dup2(null, fd) == -1)
			_exit(SENDER_BROKEN);
	if (boundary != SENDER_BOUNDARY && dup2(boundary, SENDER_BOUNDARY) == -1)
		_exit(SENDER_BROKEN);
	if (boundary < SENDER_BOUNDARY && dup2(null, boundary) == -1)
		_exit(SENDER_BROKEN);
	if (syscall(SYS_close_range, SENDER_BOUNDARY + 1, ~0U, 0) == -1)
		_exit(SENDER_BROKEN);
	cap(RLIMIT_NOFILE, DESCRIPTORS);
}

/* Both sides' octets, the message's, time, and randomness for a log-in's nonce. */
static const int calls[] = {
	SYS_sendto, SYS_recvfrom, SYS_ppoll, SYS_sendmsg, SYS_recvmsg, SYS_pread64, SYS_close,
	SYS_clock_gettime, SYS_getrandom, SYS_restart_syscall, SYS_rt_sigreturn,
	SYS_exit_group, SANDBOX_QUICKACK,
#ifdef __SANITIZE_ADDRESS__
	SYS_sigaltstack, SYS_mmap, SYS_munmap, SYS_write, SYS_getpid,
#endif
};

bool
sender_lock(void)
{
	/* A kernel without Landlock: seccomp lets nothing be opened either. */
	return sandbox_landlock_nothing() != -1 &&
	       sandbox_seccomp_only(calls, sizeof calls / sizeof calls[0]) == 0;
}
