/* See starter.h. */
#include "front/starter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fds.h"
#include "base/helper.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/packet.h"
#include "base/program.h"
#include "base/sandbox.h"
#include "base/text.h"

struct starter {
	struct starter_helper *helpers;
	const char *conf_file;
	int feed[STARTER_HELPERS];  /* the helpers' ends, -1 = none or finished */
	pid_t pid[STARTER_HELPERS]; /* running, 0 = not */
};

static noreturn void
execute(const struct starter *s, int i)
{
	const char *name = s->helpers[i].name;
	char program[LIMIT_FILE];
	struct program_env env;
	char *argv[] = { strdup(name), strdup("-c"), strdup(s->conf_file), strdup("-F"), NULL };
	struct user u;
	sigset_t none;
	int feed;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGHUP, SIG_DFL);
	if (!program_beside(program, name))
		die_temp("find the helper's program", errno);
	s->helpers[i].find_user(&u);
	if (u.uid != 0 && sandbox_become(u.uid, u.gid) == -1)
		die_temp("become the helper's user", errno);
	log_close();
	feed = s->feed[i];
	if (fds_settle(&feed, 1, HELPER_FEED_FD) == -1 || fcntl(feed, F_SETFD, 0) == -1)
		die_temp("start a helper", errno);
	(void)execve(program, argv, program_env(&env));
	log_reopen();
	die_temp(program, errno);
}

static void
start_helper(struct starter *s, int i)
{
	pid_t pid = fork();

	if (pid == 0)
		execute(s, i);
	if (pid == -1)
		log_error("fork a helper", errno);
	else
		s->pid[i] = pid;
}

/* Whoever asked a helper that could not serve sees its connection close. */
static void
turn_away(int feed)
{
	static struct packet p;
	int r;

	(void)fcntl(feed, F_SETFL, O_NONBLOCK); /* as the helper has it */
	while ((r = packet_recv(feed, &p)) == 1 || (r == -1 && errno == EBADMSG))
		packet_close_fds(&p);
}

/* A helper that ended is started again when its feed has something in it. */
static void
reap(struct starter *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < STARTER_HELPERS; i++) {
			if (s->pid[i] != pid)
				continue;
			s->pid[i] = 0;
			if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
				turn_away(s->feed[i]);
		}
}

static void
on_child(int sig)
{
	(void)sig; /* only there to interrupt ppoll */
}

/* Ends when nobody can ask any more. */
static void
serve(struct starter *s)
{
	struct sigaction on = { .sa_handler = on_child };
	sigset_t child, none;

	(void)sigemptyset(&none); /* valid sets and signals: none of these can fail */
	(void)sigemptyset(&child);
	(void)sigaddset(&child, SIGCHLD);
	(void)sigprocmask(SIG_SETMASK, &child, NULL);
	(void)sigaction(SIGCHLD, &on, NULL);
	(void)signal(SIGTERM, SIG_IGN); /* it ends with those it works for */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	for (;;) {
		struct pollfd p[STARTER_HELPERS];
		bool any = false;

		for (int i = 0; i < STARTER_HELPERS; i++) {
			/* A running one reads its feed itself. */
			p[i] = (struct pollfd){ s->pid[i] == 0 ? s->feed[i] : -1, POLLIN, 0 };
			any |= s->feed[i] != -1;
		}
		if (!any)
			return;
		(void)ppoll(p, STARTER_HELPERS, NULL, &none);
		reap(s);
		for (int i = 0; i < STARTER_HELPERS; i++) {
			if (s->pid[i] != 0 || p[i].fd == -1 || p[i].revents == 0)
				continue;
			/* Length only; 0 is the end. */
			if (recv(p[i].fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT) > 0) {
				start_helper(s, i);
			} else {
				(void)close(s->feed[i]); /* everybody has gone */
				s->feed[i] = -1;
			}
		}
	}
}

static noreturn void
be_starter(struct starter *s)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)prctl(PR_SET_NAME, "smtpd-starter"); /* valid, so it cannot fail */
	log_close();
	/* The client's connection may be on 0 and 1; and the feeds' other ends must go. */
	if (null == -1 || dup2(null, 0) == -1 || dup2(null, 1) == -1 ||
	    fds_settle(s->feed, STARTER_HELPERS, 3) == -1)
		die_temp("start the starter", errno);
	log_reopen();
	serve(s);
	_exit(0);
}

int
starter_start(struct starter_helper helpers[STARTER_HELPERS], const char *conf_file)
{
	struct starter s = { .helpers = helpers, .conf_file = conf_file };
	int ours[STARTER_HELPERS];
	int err = 0;
	pid_t pid = -1;

	for (int i = 0; i < STARTER_HELPERS; i++) {
		int pair[2] = { -1, -1 };

		if (helpers[i].name != NULL && err == 0 &&
		    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
			err = errno;
		ours[i] = pair[0];
		s.feed[i] = pair[1];
	}
	if (err == 0) {
		pid = fork();
		err = errno;
	}
	if (pid == 0)
		be_starter(&s);
	for (int i = 0; i < STARTER_HELPERS; i++) {
		if (s.feed[i] != -1)
			(void)close(s.feed[i]); /* the starter's */
		helpers[i].feed = ours[i];
		if (pid == -1 && ours[i] != -1) {
			(void)close(ours[i]);
			helpers[i].feed = -1;
		}
	}
	errno = err;
	return pid == -1 ? -1 : 0;
}
