/* See foreign.h. The runner shares nothing with the asker but the socket pair. */
#include "auth/foreign.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ip.h"
#include "base/log.h"
#include "base/num.h"
#include "base/packet.h"

#define ASK 'k'
#define INPUT_FD 3
#define RUNNER_FD 3
/* Beyond any exit code. */
#define TIMED_OUT 1000
#define NOT_STARTED 1001

/* The environment tcpserver would give: nothing of ours leaks. */
struct env {
	char remote[80];
	const char *list[4];
};

static void
fill_env(struct env *e, const char *client)
{
	struct text t;
	struct ip ip;

	text_init(&t, e->remote, sizeof e->remote);
	text_add(&t, "TCPREMOTEIP=");
	if (parse_ip(client, &ip))
		ip_text(&t, &ip);
	e->list[0] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	e->list[1] = "PROTO=TCP";
	e->list[2] = text_ok(&t) && parse_ip(client, &ip) ? e->remote : NULL;
	e->list[3] = NULL;
}

/* In the program's process, up to its exec. */
static noreturn void
become_program(char **words, int input, const char *client)
{
	struct env e;
	sigset_t none;

	(void)setsid(); /* a group of its own, to be ended as one */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGHUP, SIG_DFL);
	fill_env(&e, client);
	if ((input == INPUT_FD ? fcntl(input, F_SETFD, 0) : dup2(input, INPUT_FD)) == -1 ||
	    syscall(SYS_close_range, INPUT_FD + 1, ~0U, 0) == -1)
		_exit(111);
	(void)execve(words[0], words, (char **)e.list);
	log_error(words[0], errno);
	_exit(111);
}

/* A pipe holding what the program reads; nobody ever waits to write into it. */
static int
fill_pipe(const struct packet *p)
{
	char text[LIMIT_CHECKPASSWORD];
	size_t len = 0;
	int ends[2];
	bool good;

	for (unsigned i = 1; i < 4; i++) {
		size_t n = strlen(p->field[i]) + 1;

		if (n > sizeof text - len)
			return -1;
		memcpy(text + len, p->field[i], n);
		len += n;
	}
	if (pipe2(ends, O_CLOEXEC) == -1)
		return -1;
	good = write(ends[1], text, len) == (ssize_t)len; /* PIPE_BUF holds it */
	sodium_memzero(text, sizeof text);
	(void)close(ends[1]);
	if (good)
		return ends[0];
	(void)close(ends[0]);
	return -1;
}

/* True when the program has ended; false when its time is over, or nobody asks any more. */
static bool
has_ended(pid_t pid, int asker)
{
	int64_t end = clock_ms() + LIMIT_PROGRAM * 1000, left;
	/* The asker says nothing more: readable means it is gone. */
	struct pollfd p[2] = { { asker, POLLIN, 0 }, { -1, POLLIN, 0 } };
	siginfo_t info = { 0 };

	p[1].fd = (int)syscall(SYS_pidfd_open, pid, 0); /* -1: looked at every 10 ms */
	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == 0 && (left = end - clock_ms()) > 0) {
		if (poll(p, 2, p[1].fd != -1 ? (int)left : 10) > 0 && p[0].revents != 0)
			break;
	}
	if (p[1].fd != -1)
		(void)close(p[1].fd); /* only waited for */
	return info.si_pid == pid;
}

/* Its exit code, 128 and more for a signal, TIMED_OUT. */
static unsigned
wait_for(pid_t pid, int asker)
{
	bool ended = has_ended(pid, asker);
	int status;

	if (!ended) {
		(void)kill(-pid, SIGKILL); /* its group */
		(void)kill(pid, SIGKILL);  /* were it not yet one */
	}
	if (waitpid(pid, &status, 0) != pid || !ended)
		return TIMED_OUT;
	return WIFEXITED(status) ? (unsigned)WEXITSTATUS(status) :
	                           128 + (unsigned)WTERMSIG(status);
}

static unsigned
run(char **words, const struct packet *p, int asker)
{
	int input = fill_pipe(p);
	pid_t pid;

	if (input == -1)
		return NOT_STARTED;
	pid = fork();
	if (pid == 0)
		become_program(words, input, p->field[0]);
	(void)close(input); /* the program's */
	return pid == -1 ? NOT_STARTED : wait_for(pid, asker);
}

/* The command's words, split at blanks; the first is a path. */
static bool
split(const char *command, char *buf, size_t cap, char **words)
{
	unsigned n = 0;

	if (!text_copy(buf, cap, command))
		return false;
	for (char *p = buf + strspn(buf, " \t"); *p != '\0'; p += strspn(p, " \t")) {
		if (n == LIMIT_PROGRAM_WORDS)
			return false;
		words[n++] = p;
		p += strcspn(p, " \t");
		if (*p != '\0')
			*p++ = '\0';
	}
	words[n] = NULL;
	return n > 0 && words[0][0] == '/';
}

static noreturn void
be_runner(const char *command, int asker)
{
	static struct packet p;
	static char buf[LIMIT_FILE];
	char *words[LIMIT_PROGRAM_WORDS + 1];
	unsigned result = NOT_STARTED;

	(void)signal(SIGPIPE, SIG_IGN); /* a valid signal */
	/* The connection to the keeper is the attempt's alone. */
	log_close();
	if (dup3(asker, RUNNER_FD, O_CLOEXEC) == -1 && asker != RUNNER_FD)
		_exit(111);
	asker = RUNNER_FD;
	if (syscall(SYS_close_range, RUNNER_FD + 1, ~0U, 0) == -1)
		_exit(111);
	log_reopen();
	if (packet_recv(asker, &p) != 1 || p.letter != ASK || p.n != 4)
		_exit(0); /* the attempt came to nothing */
	if (split(command, buf, sizeof buf, words))
		result = run(words, &p, asker);
	else
		log_notice("the program of the key `auth` is no absolute path, or has very "
		           "many words");
	sodium_memzero(&p, sizeof p);
	packet_start(&p, ASK);
	packet_addu(&p, result);
	(void)packet_send(asker, &p, -1); /* the asker may be gone */
	_exit(0);
}

int
foreign_start(const char *command)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		return -1;
	pid = fork();
	if (pid == 0) {
		(void)close(pair[0]);
		be_runner(command, pair[1]);
	}
	(void)close(pair[1]);
	if (pid != -1)
		return pair[0];
	(void)close(pair[0]);
	return -1;
}

static enum foreign_answer
answer(unsigned code)
{
	struct log_line l;

	if (code == 0)
		return FOREIGN_YES;
	/* 2 is misuse by the interface; vchkpw says with 3 to 24 what was wrong. */
	if (code == 1 || (code >= 3 && code <= 24))
		return FOREIGN_NO;
	log_start(&l, "error");
	log_field(&l, "what", code == TIMED_OUT ? "the program of the key `auth` took too long" :
	                      code == NOT_STARTED ? "the program of the key `auth` was not started" :
	                      code > 128 ? "the program of the key `auth` died" :
	                                   "the program of the key `auth` failed");
	if (code < TIMED_OUT)
		log_number(&l, "code", code);
	log_send(&l, LOG_LEVEL_ERROR);
	return FOREIGN_LATER;
}

enum foreign_answer
foreign_ask(int runner, const char *client, const char *login, const char *second,
            const char *third)
{
	static struct packet p;
	struct pollfd wait = { runner, POLLIN, 0 };
	uint64_t code = NOT_STARTED;
	int r;

	/* What would be cut at the program's end is never sent. */
	if (strlen(login) + strlen(second) + strlen(third) + 3 > LIMIT_CHECKPASSWORD)
		return FOREIGN_NO;
	packet_start(&p, ASK);
	packet_add(&p, client);
	packet_add(&p, login);
	packet_add(&p, second);
	packet_add(&p, third);
	r = packet_send(runner, &p, -1);
	sodium_memzero(&p, sizeof p);
	if (r == -1 || poll(&wait, 1, (LIMIT_PROGRAM + 5) * 1000) != 1 ||
	    packet_recv(runner, &p) != 1 || p.letter != ASK || p.n != 1 ||
	    !parse_u64(p.field[0], NOT_STARTED, &code))
		code = NOT_STARTED;
	return answer((unsigned)code);
}
