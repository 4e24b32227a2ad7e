/*
 * How a process becomes a session: the order is that of DESIGN.md, "Session".
 * Everything that needs a right comes before the step that gives the right up.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sandbox.h"
#include "session/session.h"

#define KEEPER_SECONDS 300 /* a keeper may have to wait for a slow disk */

static void
cap(int what, uint64_t n)
{
	if (sandbox_limit(what, n) == -1)
		die_temp("setrlimit", errno);
}

/* Signals and limits, then (with privilege) root and uid, for good. */
static void
give_up(uint64_t size, const char *jail, uid_t uid, gid_t gid)
{
	(void)signal(SIGPIPE, SIG_IGN); /* valid signals: these cannot fail */
	(void)signal(SIGXFSZ, SIG_IGN);
	cap(RLIMIT_FSIZE, size + LIMIT_TRACE + LIMIT_FIXUP);
	cap(RLIMIT_CORE, 0);
	if (uid != 0) {
		if (chroot(jail) == -1 || chdir("/") == -1)
			die_temp("chroot to the jail (postern check says more)", errno);
		if (sandbox_become(uid, gid) == -1)
			die_temp("become the session user", errno);
	}
	if (sandbox_no_new_privs() == -1)
		die_temp("give up new privileges", errno);
}

static int
open_null(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd == -1)
		die_temp("open /dev/null", errno);
	return fd;
}

/*
 * From here on fd 2 is /dev/null and nothing can be logged: an exit code that is not
 * a session's own tells the parent.
 */
static void
close_all_from(int first)
{
	if (syscall(SYS_close_range, first, ~0U, 0) == -1)
		_exit(111);
}

void
session_confine(const struct session_setup *setup, const char *jail, uid_t uid, gid_t gid)
{
	struct timeval wait = { KEEPER_SECONDS, 0 };
	int null = open_null();

	(void)alarm((unsigned)setup->conf->session + 60); /* should our own clock fail */
	cap(RLIMIT_CPU, LIMIT_SESSION_CPU);
	if (setsockopt(setup->boundary, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == -1)
		die_temp("setsockopt of the boundary", errno);
	give_up(setup->size, jail, uid, gid);
	if (dup2(null, 2) == -1 ||
	    (setup->boundary != SESSION_BOUNDARY &&
	     dup2(setup->boundary, SESSION_BOUNDARY) == -1))
		_exit(111);
	close_all_from(SESSION_BOUNDARY + 1);
	if (sandbox_landlock_nothing() == -1)
		_exit(111);
	cap(RLIMIT_NOFILE, SESSION_BOUNDARY + 2); /* one more: the message file */
	if (sandbox_seccomp_session() == -1)
		_exit(111);
}

void
session_confine_ancestor(const struct session_setup *setup, const char *jail, uid_t uid,
                         gid_t gid)
{
	int null = open_null();

	give_up(setup->size, jail, uid, gid);
	for (int fd = 0; fd < SANDBOX_KEPT; fd++)
		if (dup2(null, fd) == -1)
			_exit(111);
	(void)close(null);
	if (sandbox_landlock_nothing() == -1)
		_exit(111);
	cap(RLIMIT_CPU, LIMIT_SESSION_CPU);
}
