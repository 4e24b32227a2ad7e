/* See password.h. Called by user add, user password and init. */
#include "admin/password.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

#include "auth/saslprep.h"
#include "admin/say.h"
#include "base/sandbox.h"

/* Longer than any password, so that one too long is told from one that fits. */
#define LINE_MAX_OCTETS (PASSWORD_MAX + 64)

void
password_wipe(struct password *p)
{
	sodium_memzero(p, sizeof *p);
}

/*
 * One line without its end: its length, -1 with errno, -2 too long or with a NUL.
 * Signals in `during` are let in only while it waits, so none comes unseen between
 * two reads; NULL leaves all as they are.
 */
static int
read_line(int fd, char buf[LINE_MAX_OCTETS], const sigset_t *during)
{
	struct pollfd p = { fd, POLLIN, 0 };
	size_t len = 0;

	for (;;) {
		ssize_t n;

		if (during != NULL && ppoll(&p, 1, NULL, during) == -1)
			return -1;
		n = read(fd, buf + len, 1);
		if (n == -1)
			return -1;
		if (n == 0 || buf[len] == '\n')
			break;
		if (buf[len] == '\0' || ++len == LINE_MAX_OCTETS)
			return -2;
	}
	buf[len] = '\0';
	return (int)len;
}

static int
take(struct password *p, const char *line, int len)
{
	if (len == -1)
		return say_failed(errno, "reading the password");
	if (len == 0)
		return say_refused("the password is empty (--no-password makes a mailbox "
		                   "that only receives)");
	if (len < 0 || len > PASSWORD_MAX)
		return say_refused("the password is longer than %d octets, or holds a NUL",
		                   PASSWORD_MAX);
	if (!saslprep(p->text, sizeof p->text, line))
		return say_refused("the password holds a character that clients could not send "
		                   "the same way (RFC 4013): a control, invalid UTF-8, or mixed "
		                   "directions");
	return DONE;
}

static int
from_stdin(struct password *p)
{
	char line[LINE_MAX_OCTETS];
	int r = take(p, line, read_line(0, line, NULL));

	sodium_memzero(line, sizeof line);
	return r;
}

static volatile sig_atomic_t caught;

static void
note_signal(int number)
{
	caught = number;
}

/* With echo off, whatever ends it; `during` as in read_line(). */
static int
ask_silently(int tty, const char *prompt, char line[LINE_MAX_OCTETS], const sigset_t *during)
{
	struct termios old, silent;
	int r = -1;

	if (tcgetattr(tty, &old) == -1)
		return -1;
	silent = old;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	/* First silent, then the question: what is typed at it is neither seen nor lost. */
	if (tcsetattr(tty, TCSAFLUSH, &silent) == 0 && write(tty, prompt, strlen(prompt)) != -1) {
		r = read_line(tty, line, during);
		if (write(tty, "\n", 1) == -1)
			r = -1;
	}
	(void)tcsetattr(tty, TCSAFLUSH, &old); /* as well as we can */
	return r;
}

/* A signal ends the wait, and then echo is on again. */
static int
ask(int tty, const char *prompt, char line[LINE_MAX_OCTETS])
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
	const size_t n = sizeof signals / sizeof signals[0];
	const struct sigaction note = { .sa_handler = note_signal };
	struct sigaction before[sizeof signals / sizeof signals[0]];
	sigset_t held, during;
	int r;

	(void)sigemptyset(&held); /* neither of these can fail: the numbers are valid */
	for (size_t i = 0; i < n; i++) {
		(void)sigaddset(&held, signals[i]);
		(void)sigaction(signals[i], &note, &before[i]);
	}
	(void)sigprocmask(SIG_BLOCK, &held, &during);
	r = ask_silently(tty, prompt, line, &during);
	(void)sigprocmask(SIG_SETMASK, &during, NULL);
	for (size_t i = 0; i < n; i++)
		(void)sigaction(signals[i], &before[i], NULL);
	return r;
}

static int
from_terminal(struct password *p, const char *address)
{
	char first[LINE_MAX_OCTETS], second[LINE_MAX_OCTETS];
	char prompt[LIMIT_ADDRESS + 64];
	struct text t;
	int tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	int n, m, r;

	if (tty == -1)
		return say_misused("there is no terminal to ask for a password: give "
		                   "--password-stdin, or --no-password for a mailbox that "
		                   "only receives");
	text_init(&t, prompt, sizeof prompt);
	text_add(&t, "Password for ");
	text_add(&t, address);
	text_add(&t, ": ");
	n = ask(tty, prompt, first);
	r = caught ? REFUSED : take(p, first, n);
	if (r == DONE) {
		m = ask(tty, "Once more: ", second);
		if (caught)
			r = REFUSED;
		else if (m != n || memcmp(first, second, (size_t)n) != 0)
			r = say_refused("the two passwords differ; nothing was changed");
	}
	(void)close(tty);
	sodium_memzero(first, sizeof first);
	sodium_memzero(second, sizeof second);
	if (caught)
		(void)say_refused("interrupted; nothing was changed");
	return r;
}

int
password_get(struct password *p, const struct admin *a, const char *address)
{
	const struct rlimit none = { 0, 0 };
	int r;

	password_wipe(p);
	if (a->password_stdin && a->no_password)
		return say_misused("--password-stdin and --no-password exclude each other");
	if (sandbox_no_new_privs() == -1 || setrlimit(RLIMIT_CORE, &none) == -1)
		return say_failed(errno, "keeping the password out of cores");
	r = a->password_stdin ? from_stdin(p) : from_terminal(p, address);
	if (r != DONE)
		password_wipe(p);
	return r;
}
