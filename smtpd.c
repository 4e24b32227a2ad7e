/*
 * smtpd: one ESMTP or LMTP session on fd 0 and 1. Wires the two processes of a
 * connection: the child becomes the session (speaks with the client, may do
 * nothing else), the parent the keeper (owns the files, reads no SMTP).
 * Started by systemd (Accept=yes), xinetd, tcpserver or anything like inetd.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/log.h"
#include "base/num.h"
#include "base/sandbox.h"
#include "keeper/keeper.h"
#include "session/session.h"

/* A session that has closed its boundary is given so long to be gone. */
#define LEAVE_MS (10 * 1000)

struct user {
	uid_t uid;
	gid_t gid;
};

static struct conf conf;
static char jail[LIMIT_FILE];

/* Tells a waiting client that it may come again (RFC 5321 3.8), as well as one can. */
static void
say_421(void)
{
	static const char reply[] = "421 4.3.0 our mistake, please try again later\r\n";

	if (send(1, reply, sizeof reply - 1, MSG_DONTWAIT | MSG_NOSIGNAL) == -1 &&
	    errno == ENOTSOCK && write(1, reply, sizeof reply - 1) == -1)
		return; /* the client is gone */
}

static noreturn void
die_starting(const char *what, int err)
{
	say_421();
	die_temp(what, err);
}

static void
log_conf(void *context, const char *message)
{
	(void)context;
	log_error(message, 0);
}

struct options {
	const char *file;
	bool lmtp;
};

static void
read_options(struct options *o, int argc, char **argv)
{
	int c;

	*o = (struct options){ .file = SYSCONFDIR "/postern/postern.conf" };
	opterr = 0;
	while ((c = getopt(argc, argv, "c:s:")) != -1) {
		if (c == 'c') {
			o->file = optarg;
		} else if (c == 's' && strcmp(optarg, "lmtp") == 0) {
			o->lmtp = true;
		} else if (c != 's' || strcmp(optarg, "smtp") != 0) {
			log_error("usage: smtpd [-c FILE] [-s smtp|lmtp]", 0);
			_exit(2);
		}
	}
	if (optind < argc) {
		log_error("usage: smtpd [-c FILE] [-s smtp|lmtp]", 0);
		_exit(2);
	}
}

/* The client's address: of the socket, or as the program before us says. */
static void
find_client(struct ip *client)
{
	static const char *const names[] = { "TCPREMOTEIP", "REMOTE_ADDR", "REMOTE_HOST" };
	struct sockaddr_storage sa;
	socklen_t len = sizeof sa;

	memset(&sa, 0, sizeof sa);
	if (getpeername(0, (struct sockaddr *)&sa, &len) == 0)
		ip_from_sockaddr(client, &sa);
	for (size_t i = 0; i < 3 && !client->known; i++) {
		const char *s = getenv(names[i]);

		if (s != NULL && !parse_ip(s, client))
			client->known = false;
	}
}

/* Hexadecimal seconds, microseconds, and process: short, unique, sorts by time. */
static void
make_session_id(char id[LIMIT_ID + 1])
{
	struct timespec now;
	struct text t;

	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
	text_init(&t, id, LIMIT_ID + 1);
	text_addx(&t, (uint64_t)now.tv_sec, 8);
	text_addx(&t, (uint64_t)now.tv_nsec / 1000, 5);
	text_addc(&t, '.');
	text_addx(&t, (uint64_t)getpid(), 1);
}

static int
open_directory(const char *path, const char *what)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1) {
		int err = errno;

		log_error(path, err);
		die_starting(what, err);
	}
	return fd;
}

/* session-user, or the owner of STATE/jail.owner: no name service is asked. */
static struct user
find_session_user(int state)
{
	struct stat st;
	struct user u = { (uid_t)conf.session_user, (gid_t)conf.session_user };

	if (u.uid == 0 && fstatat(state, "jail.owner", &st, AT_SYMLINK_NOFOLLOW) == 0)
		u = (struct user){ st.st_uid, st.st_gid };
	if (u.uid == 0 || u.gid == 0)
		die_starting("started with privilege, but no session user: set session-user "
		             "or give STATE/jail.owner to one (not root)", 0);
	return u;
}

/* Who the keeper is: the owner of STATE. Without privilege that must be us. */
static struct user
find_keeper_user(int state, bool privileged)
{
	struct stat st;

	if (fstat(state, &st) == -1)
		die_starting("stat STATE", errno);
	if (privileged && (st.st_uid == 0 || st.st_gid == 0))
		die_starting("STATE belongs to root; give it to a user of its own", 0);
	if (!privileged && st.st_uid != geteuid())
		die_starting("STATE belongs to somebody else; run as its owner or as root", 0);
	return (struct user){ st.st_uid, st.st_gid };
}

/* DATABYTES as in qmail-smtpd: overrides the configured size, 0 = no limit. */
static uint64_t
find_size(void)
{
	const char *s = getenv("DATABYTES");
	uint64_t n;

	if (s == NULL)
		return conf.size;
	if (!parse_u64(s, LIMIT_MESSAGE, &n))
		die_starting("DATABYTES in the environment: expected a number", 0);
	return n == 0 ? LIMIT_MESSAGE : n;
}

static bool
may_relay(const struct ip *client)
{
	return getenv("RELAYCLIENT") != NULL || is_ip_in(client, &conf.relay_from);
}

/* Waits until the boundary has a packet; false when the session just ended. */
static bool
has_question(int boundary)
{
	struct pollfd p = { boundary, POLLIN, 0 };

	while (poll(&p, 1, (int)(conf.session + 60) * 1000) == -1 && errno == EINTR)
		;
	/* Length only, no octet: the keeper is not confined yet. */
	return recv(boundary, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT) != 0;
}

/* Many sessions ask for nothing (EHLO, QUIT); for these no sandbox is set up. */
static enum keeper_end
keep(const struct keeper_setup *setup)
{
	struct log_line l;

	if (!has_question(setup->boundary))
		return KEEPER_DONE;
	switch (keeper_confine(setup)) {
	case -1:
		log_error("confine the keeper", errno);
		return KEEPER_LATE;
	case 0:
		log_start(&l, "warning");
		log_field(&l, "what", "this kernel lacks Landlock ABI 2: running without it");
		log_send(&l, LOG_LEVEL_WARNING);
		break;
	default:
		break;
	}
	return keeper_run(setup);
}

static bool
is_gone(int pidfd, int ms)
{
	struct pollfd p = { pidfd, POLLIN, 0 };
	int n;

	do
		n = poll(&p, 1, ms);
	while (n == -1 && errno == EINTR);
	return n > 0;
}

/* Sees the session out; it may be of another uid, so its connection is what we cut. */
static void
reap(pid_t session)
{
	int pidfd = (int)syscall(SYS_pidfd_open, session, 0);
	struct log_line l;
	int status;

	if (pidfd != -1 && !is_gone(pidfd, LEAVE_MS)) {
		(void)shutdown(0, SHUT_RDWR); /* a pipe closes when we exit */
		(void)is_gone(pidfd, LEAVE_MS);
	}
	if (waitpid(session, &status, WNOHANG) != session) {
		log_error("session does not end", 0);
		return;
	}
	if (WIFEXITED(status) && (WEXITSTATUS(status) == SESSION_DONE ||
	                          WEXITSTATUS(status) == SESSION_BROKEN))
		return;
	log_start(&l, "session-died");
	if (WIFSIGNALED(status))
		log_field(&l, "signal", sigabbrev_np(WTERMSIG(status)));
	else
		log_number(&l, "exit", (uint64_t)WEXITSTATUS(status));
	log_send(&l, LOG_LEVEL_ERROR);
	say_421();
}

static noreturn void
be_session(int boundary, const struct keeper_setup *k, const struct user *u)
{
	struct session_setup setup = {
		.in = 0,
		.out = 1,
		.boundary = boundary,
		.conf = &conf,
		.size = k->size,
		.lmtp = k->lmtp,
	};

	(void)session_confine(&setup, jail, u->uid, u->gid);
	setup.boundary = 3;
	_exit((int)session_run(&setup));
}

static void
run(struct keeper_setup *setup, bool privileged)
{
	struct user keeper = find_keeper_user(setup->state, privileged);
	struct user session = { 0, 0 };
	struct timeval wait = { LEAVE_MS / 1000, 0 };
	int pair[2];
	pid_t child;

	if (privileged)
		session = find_session_user(setup->state);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		die_starting("socketpair", errno);
	/* A session that does not read its answers must not hold the keeper. */
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
	child = fork();
	if (child == -1)
		die_starting("fork", errno);
	if (child == 0)
		be_session(pair[1], setup, &session);
	(void)close(pair[1]); /* the session's end */
	setup->boundary = pair[0];
	if (privileged && sandbox_become(keeper.uid, keeper.gid) == -1)
		log_error("become STATE's owner", errno);
	else
		(void)keep(setup); /* it has logged what was wrong */
	(void)close(pair[0]); /* tells the session */
	reap(child);
}

int
main(int argc, char **argv)
{
	static const int on = 1;
	struct options o;
	char session_id[LIMIT_ID + 1], client[INET6_ADDRSTRLEN];
	struct keeper_setup setup = { .conf = &conf, .session_id = session_id };
	struct log_line l;
	struct text t;
	time_t start = time(NULL);

	log_open("smtpd");
	(void)signal(SIGPIPE, SIG_IGN); /* a valid signal: cannot fail */
	read_options(&o, argc, argv);
	if (conf_load(&conf, o.file, log_conf, NULL) != 0)
		die_starting("the configuration has errors: postern check lists them", 0);
	find_client(&setup.client);
	text_init(&t, client, sizeof client);
	ip_text(&t, &setup.client);
	make_session_id(session_id);
	log_context(session_id, client);
	setup.lmtp = o.lmtp;
	setup.size = find_size();
	setup.may_relay = may_relay(&setup.client);
	setup.append = getenv("RELAYCLIENT") != NULL ? getenv("RELAYCLIENT") : "";
	setup.state = open_directory(conf.state, "open STATE");
	setup.domains = open_directory(conf.domains, "open domains/ beside the configuration");
	text_init(&t, jail, sizeof jail);
	text_add(&t, conf.state);
	text_add(&t, "/jail");
	if (!text_ok(&t))
		die_starting("the path of STATE is too long", 0);
	/* Replies wait for nothing; on what is no TCP socket this does nothing. */
	(void)setsockopt(1, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	run(&setup, sandbox_is_privileged());
	log_start(&l, "end");
	log_number(&l, "seconds", (uint64_t)(time(NULL) - start));
	log_send(&l, LOG_LEVEL_INFO);
	return 0;
}
