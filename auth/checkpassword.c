/*
 * See checkpassword.h. Two processes: a child reads descriptor 3 and checks, confined, as
 * the owner of auth/; the parent, which never sees the password, becomes the mailbox's
 * owner and runs the program.
 */
#include "auth/checkpassword.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/account.h"
#include "auth/confine.h"
#include "auth/open.h"
#include "auth/serve.h"
#include "base/log.h"
#include "base/mechanism.h"
#include "base/sandbox.h"

bool
checkpassword_is_response(const struct interface_input *c, bool response_first,
                          const char **challenge, const char **response)
{
	size_t len;

	*challenge = response_first ? c->third : c->second;
	*response = response_first ? c->second : c->third;
	len = strlen(*challenge);
	return len > 2 && (*challenge)[0] == '<' && (*challenge)[len - 1] == '>' &&
	       strchr(*challenge, '@') != NULL && strlen(*response) == 32 &&
	       strspn(*response, "0123456789abcdef") == 32;
}

static enum outcome
check(struct attempt *a, const struct interface_input *c)
{
	const struct conf *conf = &a->auth->conf;
	const char *challenge, *response;

	if ((conf->mechanisms & MECHANISM_CRAM_MD5) != 0 &&
	    checkpassword_is_response(c, conf->response_first, &challenge, &response)) {
		a->mechanism = "checkpassword-cram-md5";
		return account_response(a, c->login, challenge, response);
	}
	return account_password(a, c->login, c->second, "");
}

/* In the child: the exit code, and with INTERFACE_GOOD the login in `out`. */
static int
judge(struct auth *auth, int out)
{
	static struct attempt a;
	static struct interface_input in;
	const char *client = getenv("TCPREMOTEIP");
	enum outcome o;
	int r;

	a.auth = auth;
	a.conn = -1;
	a.reason = "";
	a.mechanism = "checkpassword";
	(void)text_copy(a.client, sizeof a.client, client != NULL ? client : "");
	log_context("", a.client);
	if (confine_core() == -1 || confine_attempt(auth->dir) == -1)
		die_temp("confining", errno);
	r = interface_read(&in);
	if (r != 0)
		return r;
	o = check(&a, &in);
	sodium_memzero(&in, sizeof in);
	serve_log(&a, o);
	if (o == OUTCOME_YES && write(out, &a.login, sizeof a.login) == sizeof a.login)
		account_upgrade(&a);
	sodium_memzero(&a, sizeof a);
	return o == OUTCOME_YES ? INTERFACE_GOOD :
	       o == OUTCOME_NO  ? INTERFACE_WRONG : INTERFACE_LATER;
}

static noreturn void
be_judge(struct auth *auth, int out)
{
	if (open_state(auth) == -1)
		die_temp("starting", errno);
	_exit(judge(auth, out));
}

/* Its answer, whole or none at all. */
static int
wait_for(pid_t judge_pid, int in, struct login *l)
{
	ssize_t n = read(in, l, sizeof *l);
	int status;

	while (waitpid(judge_pid, &status, 0) == -1)
		if (errno != EINTR)
			return INTERFACE_LATER;
	if (!WIFEXITED(status) || (WEXITSTATUS(status) == INTERFACE_GOOD && n != sizeof *l))
		return INTERFACE_LATER;
	return WEXITSTATUS(status);
}

/* With privilege: the owner of the mailbox, never root. Everywhere: its directory. */
static int
enter(const char *home)
{
	bool privileged = sandbox_is_privileged();
	struct stat st;

	if (!privileged) {
		/* Where it may not be entered, USER and HOME tell: PROG may need no mail. */
		return chdir(home) == -1 ? chdir("/") : 0;
	}
	if (stat(home, &st) == -1)
		return -1;
	if (st.st_uid == 0 || st.st_gid == 0) {
		errno = EPERM;
		return -1;
	}
	return sandbox_become(st.st_uid, st.st_gid) == -1 ? -1 : chdir(home);
}

static int
run_program(const struct auth *auth, const struct login *l, char **program)
{
	char home[LIMIT_FILE + 2 * LIMIT_NAME];
	struct text t;

	text_init(&t, home, sizeof home);
	text_add(&t, auth->conf.state);
	text_add(&t, "/mail/");
	text_add(&t, l->domain);
	text_addc(&t, '/');
	text_add(&t, l->mailbox);
	if (!text_ok(&t) || enter(home) == -1) {
		log_error(home, errno);
		return INTERFACE_LATER;
	}
	return interface_run(l->name, home, "/usr/sbin/nologin", program);
}

int
checkpassword_run(struct auth *auth, char **program)
{
	struct login l;
	int ends[2], r;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) == -1 || (pid = fork()) == -1) {
		log_error("starting", errno);
		return INTERFACE_LATER;
	}
	if (pid == 0) {
		(void)close(ends[0]);
		be_judge(auth, ends[1]);
	}
	(void)close(ends[1]);
	(void)close(INTERFACE_FD); /* the child's */
	r = wait_for(pid, ends[0], &l);
	(void)close(ends[0]); /* read to its end */
	return r == INTERFACE_GOOD ? run_program(auth, &l, program) : r;
}
