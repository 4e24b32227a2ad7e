/* See away.h. */
#include "relay/away.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void
be_away(const char *name)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGTERM, SIGPIPE };
	sigset_t none;

	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		(void)signal(ignored[i], SIG_IGN); /* valid signals */
	(void)signal(SIGCHLD, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_NAME, name, 0, 0, 0); /* for ps */
}

pid_t
away_fork(const char *name)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		pid = fork();
		if (pid != 0)
			_exit(pid == -1);
		be_away(name);
		return 0;
	}
	if (pid == -1)
		return -1;
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	errno = EAGAIN;
	return status == 0 ? pid : -1;
}
