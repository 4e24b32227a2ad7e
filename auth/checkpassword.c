/*
 * See checkpassword.h. Two processes: a child reads descriptor 3 and checks, confined, as
 * the owner of auth/; the parent, which never sees the password, becomes the mailbox's
 * owner and runs the program.
 */
#include "auth/checkpassword.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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
#include "base/clock.h"
#include "base/log.h"
#include "base/mechanism.h"
#include "base/sandbox.h"

#define INPUT_FD 3
/* Who runs us has the password in hand, or is broken. */
#define INPUT_MS 60000

enum { GOOD = 0, WRONG = 1, MISUSED = 2, TEMPORARY = 111 };

bool
checkpassword_read(struct checkpassword *c, const char *octets, size_t len)
{
	const char **field[] = { &c->login, &c->second, &c->third };
	const char *end = octets + len;

	for (unsigned i = 0; i < 3; i++) {
		size_t n = strnlen(octets, (size_t)(end - octets));

		if (octets + n == end)
			return false; /* its NUL is missing */
		*field[i] = octets;
		octets += n + 1;
	}
	return c->login[0] != '\0';
}

bool
checkpassword_is_response(const struct checkpassword *c, bool response_first,
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

/* All of descriptor 3: its octets, or -1 too many, -2 not to be had. */
static int
read_input(char buf[CHECKPASSWORD_MAX + 1])
{
	struct pollfd p = { INPUT_FD, POLLIN, 0 };
	int64_t end = clock_ms() + INPUT_MS, left;
	size_t len = 0;

	while ((left = end - clock_ms()) > 0) {
		ssize_t n = poll(&p, 1, (int)left) > 0 ?
		            read(INPUT_FD, buf + len, CHECKPASSWORD_MAX + 1 - len) : -1;

		if (n == -1 && errno != EINTR)
			return -2;
		if (n == 0) {
			buf[len] = '\0';
			return (int)len;
		}
		len += n > 0 ? (size_t)n : 0;
		if (len > CHECKPASSWORD_MAX)
			return -1;
	}
	return -2;
}

static enum outcome
check(struct attempt *a, const struct checkpassword *c)
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

/* In the child: the exit code, and with GOOD the directory names of the mailbox in `out`. */
static int
judge(struct auth *auth, int out)
{
	static struct attempt a;
	static char input[CHECKPASSWORD_MAX + 1];
	const char *client = getenv("TCPREMOTEIP");
	struct checkpassword c;
	enum outcome o;
	int len;

	a.auth = auth;
	a.conn = -1;
	a.reason = "";
	a.mechanism = "checkpassword";
	(void)text_copy(a.client, sizeof a.client, client != NULL ? client : "");
	log_context("", a.client);
	if (confine_core() == -1 || confine_attempt(auth->dir) == -1)
		die_temp("confining", errno);
	len = read_input(input);
	if (len < 0 || !checkpassword_read(&c, input, (size_t)len)) {
		log_error("descriptor 3: expected login, password and timestamp, each with a NUL "
		          "behind it, in at most 512 octets", 0);
		return len == -2 ? TEMPORARY : MISUSED;
	}
	o = check(&a, &c);
	sodium_memzero(input, sizeof input);
	serve_log(&a, o);
	if (o == OUTCOME_YES && write(out, &a.login, sizeof a.login) == sizeof a.login)
		account_upgrade(&a);
	sodium_memzero(&a, sizeof a);
	return o == OUTCOME_YES ? GOOD : o == OUTCOME_NO ? WRONG : TEMPORARY;
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
			return TEMPORARY;
	if (!WIFEXITED(status))
		return TEMPORARY;
	return WEXITSTATUS(status) != GOOD || n == sizeof *l ? WEXITSTATUS(status) : TEMPORARY;
}

static bool
set_environment(const struct login *l, const char *home)
{
	return setenv("USER", l->name, 1) == 0 && setenv("HOME", home, 1) == 0 &&
	       setenv("SHELL", "/usr/sbin/nologin", 1) == 0;
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
	if (!text_ok(&t) || enter(home) == -1 || !set_environment(l, home)) {
		log_error(home, errno);
		return TEMPORARY;
	}
	(void)execvp(program[0], program); /* the interface has it looked for on PATH */
	log_error(program[0], errno);
	return TEMPORARY;
}

int
checkpassword_run(struct auth *auth, char **program)
{
	struct login l;
	int ends[2], r;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) == -1 || (pid = fork()) == -1) {
		log_error("starting", errno);
		return TEMPORARY;
	}
	if (pid == 0) {
		(void)close(ends[0]);
		be_judge(auth, ends[1]);
	}
	(void)close(ends[1]);
	(void)close(INPUT_FD); /* the child's */
	r = wait_for(pid, ends[0], &l);
	(void)close(ends[0]); /* read to its end */
	return r == GOOD ? run_program(auth, &l, program) : r;
}
