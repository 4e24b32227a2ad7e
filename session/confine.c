/*
 * How a process becomes a session: the order is that of DESIGN.md, "Session".
 * Everything that needs a right comes before the step that gives the right up.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sandbox.h"
#include "session/session.h"

#define BOUNDARY 3 /* descriptors: 0 and 1 client, 2 /dev/null, 3 keeper */
#define KEEPER_SECONDS 300 /* a keeper may have to wait for a slow disk */

/* A soft and hard limit in one. */
static void
cap(__rlimit_resource_t what, uint64_t n)
{
	struct rlimit r = { n, n };
	struct rlimit old;

	if (getrlimit(what, &old) == 0 && old.rlim_max < n)
		r.rlim_cur = r.rlim_max = old.rlim_max;
	if (setrlimit(what, &r) == -1)
		die_temp("setrlimit", errno);
}

/* /dev/null goes to fd 2, the boundary to fd 3; every other descriptor is closed. */
static void
keep_only(const struct session_setup *setup, int null)
{
	if (dup2(null, 2) == -1)
		die_temp("put /dev/null on fd 2", errno);
	if (setup->boundary != BOUNDARY && dup2(setup->boundary, BOUNDARY) == -1)
		_exit(111);
	if (syscall(SYS_close_range, BOUNDARY + 1, ~0U, 0) == -1)
		_exit(111); /* fd 2 is gone: the keeper logs the exit code */
}

int
session_confine(const struct session_setup *setup, const char *jail, uid_t uid, gid_t gid)
{
	struct timeval wait = { KEEPER_SECONDS, 0 };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int landlock;

	if (null == -1)
		die_temp("open /dev/null", errno);
	(void)signal(SIGPIPE, SIG_IGN); /* valid signals: these cannot fail */
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)alarm((unsigned)setup->conf->session + 60); /* should our own clock fail */
	cap(RLIMIT_CPU, LIMIT_SESSION_CPU);
	cap(RLIMIT_FSIZE, setup->size + LIMIT_TRACE);
	cap(RLIMIT_CORE, 0);
	if (setsockopt(setup->boundary, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == -1)
		die_temp("setsockopt of the boundary", errno);
	if (uid != 0) {
		if (chroot(jail) == -1 || chdir("/") == -1)
			die_temp("chroot to the jail (postern check says more)", errno);
		if (sandbox_become(uid, gid) == -1)
			die_temp("become the session user", errno);
	}
	if (sandbox_no_new_privs() == -1)
		die_temp("give up new privileges", errno);
	keep_only(setup, null);
	landlock = sandbox_landlock_nothing();
	cap(RLIMIT_NOFILE, BOUNDARY + 2); /* one more: the message file */
	if (landlock == -1 || sandbox_seccomp_session() == -1)
		_exit(111);
	return landlock;
}
