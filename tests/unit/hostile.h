/*
 * For boundary*.c: a session's end of the boundary in our hands, a real keeper behind
 * it, confined as in smtpd, one process a case; and what must hold after each case.
 */
#ifndef TESTS_UNIT_HOSTILE_H
#define TESTS_UNIT_HOSTILE_H

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/boundary.h"
#include "base/log.h"
#include "keeper/keeper.h"
#include "tests/unit/test.h"

#define DEADLINE 20 /* seconds until a keeper that answers nothing is a failure */
#define MESSAGES 3  /* limits of the configuration below */
#define ERRORS 5
#define RECIPIENTS 100
#define SIZE 65536

/* A packet as a string, its fields ended by \0, and its length. */
#define P(s) s, sizeof(s) - 1
#define BEGIN "bclient.test\0a\0client.test\0E\0\60\0\0" /* \60: the digit 0 */
#define RECIPIENT "ralice\0here.test\0"

static int dir; /* the scratch directory: postern.conf, domains/, state/ */
static struct conf conf;
static int sock;   /* the session's end of the boundary */
static int body;   /* the message file, once we have it */
static int log_fd; /* the keeper's fd 2 */
static pid_t keeper;
static int feed = -1;   /* where it connects to helpers, and */
static int feed_end = -1; /* its other end, which a keeper does not have */
static int client = -1; /* the client's connection: with one it may have TLS */
static char answer_text[LIMIT_PACKET + 1];
static size_t answer_len;

enum state { FRESH, BEGUN, GIVEN, OPEN, COMMITTED, N_STATES };
static const char *const state_names[] = { "first", "after begin", "after recipient",
	                                   "after body", "after commit" };

static void
no_report(void *context, const char *message)
{
	(void)context;
	fprintf(stderr, "%s\n", message);
}

static _Noreturn void
be_keeper(int boundary)
{
	struct keeper_setup setup = {
		.state = openat(dir, "state", O_PATH | O_DIRECTORY | O_CLOEXEC),
		.domains = openat(dir, "domains", O_PATH | O_DIRECTORY | O_CLOEXEC),
		.conf = &conf,
		.job = { .session_id = "test", .service = SERVICE_SMTP,
		         .boundary = boundary, .conn = client },
		.may_secure = client != -1,
		.tls = { NULL, feed },
		.auth = { NULL, feed },
		.append = "",
		.size = SIZE,
	};

	MUST(dup2(log_fd, 2) == 2);
	if (feed_end != -1)
		MUST(close(feed_end) == 0);
	alarm(3 * DEADLINE);
	(void)signal(SIGPIPE, SIG_IGN); /* as smtpd does */
	log_open("keeper");
	if (setup.state == -1 || setup.domains == -1 || keeper_confine(&setup) == -1)
		_exit(99);
	_exit((int)keeper_run(&setup));
}

static void
start_keeper(void)
{
	struct timeval wait = { DEADLINE, 0 };
	int pair[2];

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	log_fd = memfd_create("log", MFD_CLOEXEC);
	fflush(stdout);
	keeper = fork();
	MUST(log_fd != -1 && keeper != -1);
	if (keeper == 0) {
		close(pair[0]);
		be_keeper(pair[1]);
	}
	close(pair[1]);
	sock = pair[0];
	body = -1;
	MUST(setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0);
	MUST(setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0);
}

/* n_fds copies of fd go beside the packet. False when the keeper is gone. */
static bool
send_with(const char *packet, size_t len, int fd, size_t n_fds)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(8 * sizeof(int))];
	} control = { 0 };
	char copy[2 * LIMIT_PACKET];
	struct iovec iov = { copy, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	MUST(len <= sizeof copy && n_fds <= 8);
	memcpy(copy, packet, len);
	if (n_fds > 0) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof fd);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(n_fds * sizeof fd);
		for (size_t i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(&control.header) + i * sizeof fd, &fd, sizeof fd);
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) != -1;
}

/* The letter of the next answer; 0 when the keeper has closed; '!' for silence. */
static char
hear(void)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { answer_text, sizeof answer_text - 1 };
	struct msghdr msg = { .msg_iov = &iov,
		              .msg_iovlen = 1,
		              .msg_control = &control,
		              .msg_controllen = sizeof control };
	ssize_t n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return '!';
	if (n <= 0)
		return 0;
	answer_len = (size_t)n;
	answer_text[n] = '\0';
	if (c != NULL && c->cmsg_type == SCM_RIGHTS)
		memcpy(&body, CMSG_DATA(c), sizeof body);
	return answer_text[0];
}

static char
ask(const char *packet, size_t len)
{
	return send_with(packet, len, -1, 0) ? hear() : 0;
}

static void
drop_body(void)
{
	if (body != -1)
		close(body);
	body = -1;
}

/* Walks the legal way to a state. */
static void
reach(enum state state)
{
	start_keeper();
	if (state >= BEGUN)
		MUST(ask(P(BEGIN)) == ANSWER_YES);
	if (state >= GIVEN)
		MUST(ask(P(RECIPIENT)) == ANSWER_YES);
	if (state >= OPEN)
		MUST(ask(P("d")) == ANSWER_YES && body != -1);
	if (state >= COMMITTED) {
		MUST(write(body, "Subject: x\n\nwhole\n", 18) == 18);
		drop_body();
		MUST(ask(P("c")) == ANSWER_OUTCOMES);
	}
}

/* Files in alice's new/, each of them whole, and none of them any more afterwards. */
static int
take_mail(void)
{
	int new = openat(dir, "state/mail/here.test/alice/Maildir/new",
	                 O_RDONLY | O_DIRECTORY);
	DIR *d = new != -1 ? fdopendir(new) : NULL;
	int n = 0;

	if (d == NULL)
		return 0;
	for (const struct dirent *e; (e = readdir(d)) != NULL;) {
		const char *text;
		size_t len;

		if (e->d_name[0] == '.')
			continue;
		text = get(new, e->d_name);
		len = strlen(text);
		if (strncmp(text, "Return-Path: <a@client.test>\n", 29) != 0 || len < 6 ||
		    strcmp(text + len - 6, "whole\n") != 0)
			return -1;
		MUST(unlinkat(new, e->d_name, 0) == 0);
		n++;
	}
	closedir(d);
	return n;
}

/* Nothing but what main() has made, alice's Maildir aside. */
static bool
is_clean(void)
{
	return count_in(dir, "state/tmp") == 0 && count_in(dir, "state") == 3 &&
	       count_in(dir, "state/mail") == 2 &&
	       count_in(dir, "state/mail/here.test") == 2 &&
	       count_in(dir, "state/mail/here.test/bob") == 0 &&
	       count_in(dir, "state/mail/evil") == 0 && count_in(dir, "state/evil") == 0 &&
	       count_in(dir, ".") == 3;
}

/* Every line is one event of printable ASCII. */
static int
count_lines(const char *log)
{
	int n = 0;

	for (const char *p = log; *p != '\0'; p++) {
		if ((p == log || p[-1] == '\n') && strncmp(p, "event=", 6) != 0)
			return -1;
		if (*p != '\n' && (*p < ' ' || *p > '~'))
			return -1;
		n += *p == '\n';
	}
	return n;
}

/*
 * We leave; how did it end? lines counts the log without one line for each of mails;
 * event is of the last line, "" for any or none.
 */
static void
finish(enum keeper_end end, int lines, const char *event, int mails, const char *name)
{
	static char log[1 << 20];
	char want[64];
	int status = 0, got_lines, got_mails;
	ssize_t n;
	bool said;

	close(sock);
	drop_body();
	MUST(waitpid(keeper, &status, 0) == keeper);
	n = pread(log_fd, log, sizeof log - 1, 0);
	MUST(n != -1);
	log[n] = '\0';
	close(log_fd);
	snprintf(want, sizeof want, "event=%s", event);
	got_lines = count_lines(log);
	got_mails = take_mail();
	while (n > 1 && log[n - 2] != '\n')
		n--;
	said = *event == '\0' ||
	       strncmp(log + (n > 0 ? n - 1 : 0), want, strlen(want)) == 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == (int)end &&
	    got_lines == lines + mails && said && got_mails == mails && is_clean())
		TEST(true, "%s", name);
	else
		TEST(false, "%s: wait status %x, %d log lines (last: %s), %d messages, %s",
		     name, (unsigned)status, got_lines, show(log + (n > 0 ? n - 1 : 0)),
		     got_mails, is_clean() ? "clean" : "files left");
}

/* The usual end: cut off at once, one line, no file of this transaction. */
static inline void
refused(int mails, const char *name)
{
	char c = hear();

	if (c != 0)
		TEST(false, "%s: answered by '%c'", name, c);
	finish(KEEPER_MALFORMED, 1, "boundary", mails, name);
}

/* Call first. A mailbox alice, and directories that paths out of mail/ would reach. */
static void
make_tree(void)
{
	char file[128];

	alarm(240);
	dir = scratch();
	put(dir, "postern.conf",
	    "hostname = mx.test\nstate = state\nsize = 64K\nvrfy = yes\n"
	    "[limits]\nmessages = 3\nerrors = 5\n");
	make_dir(dir, "domains");
	put(dir, "domains/here.test.conf", "deliver = maildir\n");
	make_dir(dir, "state");
	make_dir(dir, "state/tmp");
	make_dir(dir, "state/evil");
	make_dir(dir, "state/mail");
	make_dir(dir, "state/mail/evil");
	make_dir(dir, "state/mail/here.test");
	make_dir(dir, "state/mail/here.test/alice");
	make_dir(dir, "state/mail/here.test/bob");
	snprintf(file, sizeof file, "%s/postern.conf", test_dir);
	MUST(conf_load(&conf, file, no_report, NULL) == 0);
}

#endif
