/* See fetcher.h. What waits here reads nothing; it may still execute a program. */
#include "relay/fetcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/ca.h"
#include "base/fds.h"
#include "base/helper.h"
#include "base/log.h"
#include "base/program.h"
#include "base/sandbox.h"
#include "base/sts_fetch.h"
#include "relay/away.h"

static noreturn void
execute(char *program)
{
	struct program_env env;
	char name[] = "sts", feed[] = "-F";
	char *argv[] = { name, feed, NULL };

	(void)fcntl(HELPER_FEED_FD, F_SETFD, 0);
	(void)fcntl(STS_CA_FD, F_SETFD, 0); /* both are open */
	(void)execve(program, argv, program_env(&env));
	die_temp(program, errno);
}

static noreturn void
be_fetcher(const struct router_setup *setup, int feed, int ca)
{
	int fds[2] = { feed, ca };
	struct pollfd p = { HELPER_FEED_FD, POLLIN, 0 };
	char program[LIMIT_FILE];

	if (!program_beside(program, "sts"))
		die_temp("find the program sts", errno);
	log_close();
	if (fds_settle(fds, 2, HELPER_FEED_FD) == -1)
		die_temp("start the fetcher of policies", errno);
	log_reopen();
	if ((setup->uid != 0 && sandbox_become(setup->uid, setup->gid) == -1) ||
	    sandbox_no_new_privs() == -1)
		die_temp("become the user of the fetcher of policies", errno);
	while (poll(&p, 1, -1) == -1 && errno == EINTR)
		;
	/* The length of what is there; 0 is the end. */
	if (recv(HELPER_FEED_FD, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT) <= 0)
		_exit(0);
	log_close(); /* its successor opens its own */
	execute(program);
}

int
fetcher_start(const struct router_setup *setup)
{
	const char *file = ca_file(setup->conf);
	int ca = file != NULL ? open(file, O_RDONLY | O_CLOEXEC) : -1;
	int pair[2] = { -1, -1 };
	pid_t pid = -1;

	if (ca == -1)
		log_error(file != NULL ? file : "no certificates of authorities: MTA-STS is off",
		          file != NULL ? errno : 0);
	else if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1 ||
	         (pid = away_fork("sts-starter")) == -1)
		log_error("start the fetcher of policies: MTA-STS is off", errno);
	if (pid == 0) {
		(void)close(pair[0]); /* the router's */
		be_fetcher(setup, pair[1], ca);
	}
	if (ca != -1)
		(void)close(ca); /* the fetcher's, as the next */
	if (pair[1] != -1)
		(void)close(pair[1]);
	if (pid != -1 || pair[0] == -1)
		return pair[0];
	(void)close(pair[0]);
	return -1;
}
