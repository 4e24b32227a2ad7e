/*
 * smtpd: ESMTP and LMTP sessions. Wires the processes of a connection: the session
 * (speaks with the client, may do nothing else), the keeper (owns the files, reads
 * no SMTP), and on a listening entrance the front that accepts for them.
 *
 * fd 0 and 1 a connection (systemd Accept=yes, xinetd, tcpserver): the child becomes
 * the session, the parent is its keeper. LISTEN_FDS or -L: the front.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/fds.h"
#include "base/helper.h"
#include "base/job.h"
#include "base/log.h"
#include "base/num.h"
#include "base/sandbox.h"
#include "base/wipe.h"
#include "front/front.h"
#include "front/listen.h"
#include "front/starter.h"
#include "keeper/keeper.h"
#include "session/session.h"

/* A session that has closed its boundary is given so long to be gone. */
#define LEAVE_MS (10 * 1000)
#define USAGE \
	"usage: smtpd [-c FILE] [-s smtp|submission|submissions|lmtp] [-L ADDRESS:PORT]..."

struct user {
	uid_t uid;
	gid_t gid;
};

struct options {
	const char *file;
	enum service service;
	struct listeners listeners;
};

enum { DOOR_TLS, DOOR_AUTH }; /* doors, and what a starter starts */

static struct conf conf;
static bool listening; /* no client waits on fd 1 */
static struct helper_door doors[STARTER_HELPERS] = { { NULL, -1 }, { NULL, -1 } };

/* Tells a waiting client that it may come again (RFC 5321 3.8). True: it was told. */
static bool
say_421(int fd)
{
	static const char reply[] = "421 4.3.0 our mistake, please try again later\r\n";

	if (send(fd, reply, sizeof reply - 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		return true;
	return errno == ENOTSOCK && write(fd, reply, sizeof reply - 1) > 0;
}

/* For the entrances where a client waits on fd 1. */
static noreturn void
die_starting(const char *what, int err)
{
	if (!listening)
		(void)say_421(1);
	die_temp(what, err);
}

static void
log_conf(void *context, const char *message)
{
	(void)context;
	log_error(message, 0);
}

static noreturn void
die_misused(const char *what)
{
	log_error(what, errno);
	log_error(USAGE, 0);
	_exit(2);
}

/* What the system refuses may be there later; what nobody can mean is misuse. */
static noreturn void
die_listening(const char *why)
{
	if (errno != 0)
		die_temp(why, errno);
	die_misused(why);
}

static void
read_options(struct options *o, int argc, char **argv)
{
	const char *why = "LISTEN_FDS";
	struct listeners opened = { 0 };
	int c;

	o->file = SYSCONFDIR "/postern/postern.conf";
	o->service = SERVICE_SMTP;
	opterr = 0;
	/* Sockets handed over win: after a fresh start they are those of -L. */
	if (listen_take(&o->listeners, &why) == -1)
		die_misused(why);
	while ((c = getopt(argc, argv, "c:s:L:")) != -1) {
		errno = 0;
		if (c == 'c')
			o->file = optarg;
		else if (c == 'L' && o->listeners.n > 0)
			continue;
		else if (c == 'L' && listen_open(&opened, optarg, o->service, &why) == -1)
			die_listening(why);
		else if (c == 's' && !parse_service(optarg, &o->service))
			die_misused("-s: expected smtp, submission, submissions or lmtp");
		else if (c == '?')
			die_misused("unknown option");
	}
	errno = 0;
	if (optind < argc)
		die_misused("too many arguments");
	if (o->listeners.n == 0)
		o->listeners = opened;
	for (unsigned i = 0; i < o->listeners.n; i++)
		if (o->listeners.at[i].service == 0)
			o->listeners.at[i].service = o->service;
	listening = o->listeners.n > 0;
}

/* The client's address: of the socket, or as the program before us says. */
static void
find_client(struct ip *client)
{
	static const char *const names[] = { "TCPREMOTEIP", "REMOTE_ADDR", "REMOTE_HOST" };
	struct sockaddr_storage sa;
	socklen_t len = sizeof sa;

	memset(&sa, 0, sizeof sa);
	memset(client, 0, sizeof *client);
	if (getpeername(0, (struct sockaddr *)&sa, &len) == 0)
		ip_from_sockaddr(client, &sa);
	for (size_t i = 0; i < 3 && !client->known; i++) {
		const char *s = getenv(names[i]);

		if (s != NULL && !parse_ip(s, client))
			client->known = false;
	}
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

static void
open_directories(struct keeper_setup *setup)
{
	setup->state = open_directory(conf.state, "open STATE");
	setup->domains = open_directory(conf.domains, "open domains/ beside the configuration");
}

/* below fits by its few lengths, conf.state by conf_load(). */
static void
state_path(char out[LIMIT_FILE + 16], const char *below)
{
	struct text t;

	text_init(&t, out, LIMIT_FILE + 16);
	text_add(&t, conf.state);
	text_add(&t, below);
}

/*
 * Who a session is: session-user, or the owner of STATE/jail.owner (no name service
 * is asked). 0: stay who we are, since we may not change it.
 */
static struct user
find_session_user(void)
{
	struct user u = { (uid_t)conf.session_user, (gid_t)conf.session_user };
	char path[LIMIT_FILE + 16];
	struct stat st;

	if (!sandbox_is_privileged())
		return (struct user){ 0, 0 };
	state_path(path, "/jail.owner");
	if (u.uid == 0 && lstat(path, &st) == 0)
		u = (struct user){ st.st_uid, st.st_gid };
	if (u.uid == 0 || u.gid == 0)
		die_starting("started with privilege, but no session user: set session-user "
		             "or give STATE/jail.owner to one (not root)", 0);
	return u;
}

/*
 * Who the keeper is: the owner of STATE. 0: stay who we are. Asked before the fork,
 * since two processes must not speak to one client.
 */
static struct user
find_keeper_user(int state)
{
	bool privileged = sandbox_is_privileged();
	struct stat st;

	if (fstat(state, &st) == -1)
		die_starting("stat STATE", errno);
	if (privileged && (st.st_uid == 0 || st.st_gid == 0))
		die_starting("STATE belongs to root; give it to a user of its own", 0);
	if (!privileged && st.st_uid != geteuid())
		die_starting("STATE belongs to somebody else; run as its owner or as root", 0);
	return privileged ? (struct user){ st.st_uid, st.st_gid } : (struct user){ 0, 0 };
}

static bool
become_keeper_user(struct user u)
{
	if (u.uid == 0 || sandbox_become(u.uid, u.gid) == 0)
		return true;
	log_error("become STATE's owner", errno);
	return false;
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

/* TLS takes a whole connection: no pair of pipes. */
static bool
is_connection(int fd)
{
	int type;
	socklen_t len = sizeof type;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0;
}

static void
set_up_keeper(struct keeper_setup *k, const struct job *job)
{
	const char *append = getenv("RELAYCLIENT");

	k->job = *job;
	k->conf = &conf;
	k->size = find_size();
	k->append = append != NULL ? append : "";
	k->always_relay = append != NULL;
	k->may_relay = k->always_relay || is_ip_in(&job->client, &conf.relay_from);
	k->may_secure = conf.tls && is_connection(job->conn);
	k->tls = doors[DOOR_TLS];
	k->auth = doors[DOOR_AUTH];
}

static void
set_up_session(struct session_setup *s, const struct job *job, bool is_connection)
{
	s->conf = &conf;
	s->size = find_size();
	s->service = job->service;
	s->client = job->client;
	s->may_secure = conf.tls && is_connection;
}

/* -- helpers ------------------------------------------------------------------- */

/* Who may read the key. Of root's tls itself gives up what it does not need. */
static uid_t
find_tls_user(gid_t *gid)
{
	static struct conf fresh;
	static struct conf_tls files;
	struct stat st;

	if (!sandbox_is_privileged())
		return 0;
	if (conf_load_tls(&fresh, &files, conf.file, log_conf, NULL) != 0)
		die_temp("the configuration has errors: postern check lists them", 0);
	if (files.n == 0 || stat(files.at[0].key[0], &st) == -1)
		die_temp("stat tls-key", errno);
	*gid = st.st_gid;
	return st.st_uid;
}

/* Who may read the verifiers: the owner of STATE/auth. */
static uid_t
find_auth_user(gid_t *gid)
{
	char path[LIMIT_FILE + 16];
	struct stat st;

	if (!sandbox_is_privileged())
		return 0;
	state_path(path, "/auth");
	if (stat(path, &st) == -1)
		die_temp("stat STATE/auth", errno);
	if (st.st_uid == 0 || st.st_gid == 0)
		die_temp("STATE/auth belongs to root; give it to a user of its own", 0);
	*gid = st.st_gid;
	return st.st_uid;
}

static bool
is_socket(const char *path)
{
	struct stat st;

	return path[0] != '\0' && stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

/*
 * Where tls and auth are reached: at the sockets of their units, or by way of a starter
 * that is forked now, since a keeper that is confined can start nothing.
 */
static void
open_doors(void)
{
	struct starter_helper helpers[STARTER_HELPERS] = {
		[DOOR_TLS] = { NULL, find_tls_user, -1 },
		[DOOR_AUTH] = { NULL, find_auth_user, -1 },
	};
	bool wants_auth = conf.mechanisms != 0 && (conf.tls || conf.auth_without_tls);
	bool has_tls = is_socket(conf.tls_socket), has_auth = is_socket(conf.auth_socket);

	if (conf.tls && !has_tls)
		helpers[DOOR_TLS].name = "tls";
	if (wants_auth && !has_auth)
		helpers[DOOR_AUTH].name = "auth";
	if ((helpers[DOOR_TLS].name != NULL || helpers[DOOR_AUTH].name != NULL) &&
	    starter_start(helpers, conf.file) == -1)
		log_error("start the starter", errno);
	doors[DOOR_TLS] = (struct helper_door){ has_tls ? conf.tls_socket : NULL, helpers[DOOR_TLS].feed };
	doors[DOOR_AUTH] = (struct helper_door){ has_auth ? conf.auth_socket : NULL,
	                                    helpers[DOOR_AUTH].feed };
}

static void
set_log_context(const char *session_id, const struct ip *ip)
{
	char client[INET6_ADDRSTRLEN];
	struct text t;

	text_init(&t, client, sizeof client);
	ip_text(&t, ip);
	log_context(session_id, client);
}

static void
log_end(time_t start)
{
	struct log_line l;

	log_start(&l, "end");
	log_number(&l, "seconds", (uint64_t)(time(NULL) - start));
	log_send(&l, LOG_LEVEL_INFO);
}

static bool
confine_keeper(const struct keeper_setup *setup)
{
	struct log_line l;

	switch (keeper_confine(setup)) {
	case -1:
		log_error("confine the keeper", errno);
		return false;
	case 0:
		log_start(&l, "warning");
		log_field(&l, "what", "this kernel lacks Landlock ABI 2: running without it");
		log_send(&l, LOG_LEVEL_WARNING);
		return true;
	default:
		return true;
	}
}

/* -- fd 0 and 1 a connection --------------------------------------------------- */

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
	bool gone = pidfd != -1 && is_gone(pidfd, LEAVE_MS);
	int status;

	if (pidfd != -1 && !gone) {
		(void)shutdown(1, SHUT_RDWR); /* a pipe closes when we exit */
		gone = is_gone(pidfd, LEAVE_MS);
	}
	/* Dead, but a tracer (strace) sees it first: so wait, it is not for long. */
	if (waitpid(session, &status, gone ? 0 : WNOHANG) != session) {
		log_error("session does not end", 0);
		return;
	}
	if (WIFEXITED(status) && (WEXITSTATUS(status) == SESSION_DONE ||
	                          WEXITSTATUS(status) == SESSION_BROKEN))
		return;
	log_start(&l, "session-died");
	if (WIFSIGNALED(status))
		log_signal(&l, WTERMSIG(status));
	else
		log_number(&l, "exit", (uint64_t)WEXITSTATUS(status));
	log_send(&l, LOG_LEVEL_ERROR);
	(void)say_421(1);
}

static noreturn void
be_session(const struct job *job, struct user u)
{
	struct session_setup setup = { .in = 0, .out = 1, .boundary = job->boundary };
	char jail[LIMIT_FILE + 16];

	set_up_session(&setup, job, is_connection(job->conn));
	state_path(jail, "/jail");
	session_confine(&setup, jail, u.uid, u.gid);
	setup.boundary = SESSION_BOUNDARY;
	_exit((int)session_run(&setup));
}

static void
serve_connection(enum service service)
{
	static const int on = 1;
	static const struct timeval wait = { LEAVE_MS / 1000, 0 };
	struct job job = { .service = service, .conn = 1 };
	struct keeper_setup setup = { 0 };
	time_t start = time(NULL);
	struct user u, keeper;
	int pair[2];
	pid_t child;

	find_client(&job.client);
	job_make_id(job.session_id, (unsigned)getpid());
	set_log_context(job.session_id, &job.client);
	open_directories(&setup);
	u = find_session_user();
	keeper = find_keeper_user(setup.state);
	/* Replies wait for nothing; on what is no TCP socket this does nothing. */
	(void)setsockopt(1, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		die_starting("socketpair", errno);
	/* A session that does not read its answers must not hold the keeper. */
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
	child = fork();
	if (child == -1)
		die_starting("fork", errno);
	job.boundary = pair[child == 0];
	if (child == 0)
		be_session(&job, u);
	(void)close(pair[1]); /* the session's end */
	/* Many sessions ask for nothing (EHLO, QUIT); for these nothing is set up. */
	if (has_question(job.boundary)) {
		open_doors();
		set_up_keeper(&setup, &job);
		if (become_keeper_user(keeper) && confine_keeper(&setup))
			(void)keeper_run(&setup); /* it has logged what was wrong */
	}
	(void)close(pair[0]); /* tells the session */
	reap(child);
	log_end(start);
}

/* -- the listening entrance ---------------------------------------------------- */

static void
become_nursery(void)
{
	struct session_setup setup = { 0 };
	struct keeper_setup keeper;
	struct user u = find_session_user();
	char jail[LIMIT_FILE + 16];

	/* What would end every keeper is found here, where it still changes something. */
	open_directories(&keeper);
	(void)find_keeper_user(keeper.state);
	set_up_session(&setup, &(struct job){ .service = SERVICE_SMTP, .conn = -1 }, true);
	state_path(jail, "/jail");
	session_confine_ancestor(&setup, jail, NURSERY_CONTROL + 1, u.uid, u.gid);
}

static void
run_session(void)
{
	static struct packet ready; /* not on the stack: its pages would be touched */
	struct session_setup setup = { 0 };
	struct job j;

	session_confine_rest(NURSERY_CONTROL);
	for (uint64_t left = conf.session_reuse; left > 0; left--) {
		if (job_recv(NURSERY_QUEUE, &j) != 1)
			return;
		/* A process that will not serve again can't steal a connection either. */
		if (left == 1)
			(void)close(NURSERY_QUEUE);
		set_up_session(&setup, &j, true);
		setup.in = setup.out = j.conn;
		setup.boundary = j.boundary;
		setup.wipe = left > 1;
		(void)session_run(&setup); /* closes the connection */
		(void)close(j.boundary);
		/* RLIMIT_CPU counts all its clients: leave before it strikes in the middle. */
		if (left == 1 || clock_cpu_seconds() > LIMIT_SESSION_CPU / 2)
			return;
		wipe_stack();
		packet_start(&ready, FRONT_READY);
		if (packet_send(NURSERY_QUEUE, &ready, -1) == -1)
			return;
	}
}

/* After the boundary's end: the client of a session that died hears why. */
static void
see_off(const struct job *j, enum keeper_end end)
{
	struct log_line l;

	(void)close(j->boundary);
	if (end != KEEPER_DONE)
		(void)poll(NULL, 0, 200); /* an honest session says it itself */
	if (say_421(j->conn) && end == KEEPER_DONE) {
		log_start(&l, "session-died");
		log_send(&l, LOG_LEVEL_ERROR);
	}
	/* One that closed its boundary only to go on unseen ends here, too. */
	(void)shutdown(j->conn, SHUT_RDWR);
	(void)close(j->conn);
}

/* One session. Not inlined: what it leaves on the stack is to be wiped after it. */
static __attribute__((noinline)) enum keeper_end
keep(struct keeper_setup *setup, const struct job *j)
{
	static const struct timeval wait = { LEAVE_MS / 1000, 0 };
	time_t start = time(NULL);
	enum keeper_end end;

	set_log_context(j->session_id, &j->client);
	set_up_keeper(setup, j);
	(void)setsockopt(j->boundary, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
	end = keeper_run(setup);
	see_off(j, end);
	log_end(start);
	log_context("", "");
	return end;
}

static void
run_keeper(int control)
{
	static struct packet done;
	struct keeper_setup setup = { 0 };
	struct job j;
	int fds[] = { control, doors[DOOR_TLS].feed, doors[DOOR_AUTH].feed };

	/* A stop is the front's to give: a terminal tells the whole group. */
	(void)signal(SIGTERM, SIG_IGN); /* valid signals: cannot fail */
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	log_close();
	if (fds_settle(fds, sizeof fds / sizeof fds[0], 3) == -1)
		die_temp("start a keeper", errno);
	log_reopen();
	control = fds[0];
	doors[DOOR_TLS].feed = fds[1];
	doors[DOOR_AUTH].feed = fds[2];
	open_directories(&setup);
	if (!become_keeper_user(find_keeper_user(setup.state)) || !confine_keeper(&setup))
		return;
	while (job_recv(control, &j) == 1) {
		enum keeper_end end = keep(&setup, &j);

		wipe_stack();
		if (end != KEEPER_DONE)
			return; /* what was sent there may not be all it did */
		packet_start(&done, FRONT_DONE);
		if (packet_send(control, &done, -1) == -1)
			return;
	}
}

static int
serve_listeners(const struct options *o, char **argv)
{
	struct front_setup setup = {
		.conf = &conf,
		.listeners = &o->listeners,
		.argv = argv,
		.become_nursery = become_nursery,
		.run_session = run_session,
		.run_keeper = run_keeper,
		/* With -L nobody else would start us again. */
		.may_idle_out = true,
	};

	/* After a fresh start it would be "exe"; valid, so it cannot fail. */
	(void)prctl(PR_SET_NAME, "smtpd");
	for (char **a = argv; *a != NULL; a++)
		if (strncmp(*a, "-L", 2) == 0)
			setup.may_idle_out = false;
	open_doors();
	return front_run(&setup);
}

/*
 * Whoever started us may have ignored or blocked what we wait for. The front's signals
 * stay blocked until it hears them: one may have come during a fresh start.
 */
static void
set_signals(void)
{
	sigset_t none;

	/* Valid signals and sets: these cannot fail. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)signal(SIGALRM, SIG_DFL);
	(void)sigemptyset(&none);
	if (!listening)
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

int
main(int argc, char **argv)
{
	static struct options o;

	log_open("smtpd");
	read_options(&o, argc, argv);
	set_signals();
	if (conf_load(&conf, o.file, log_conf, NULL) != 0)
		die_starting("the configuration has errors: postern check lists them", 0);
	if (o.listeners.n > 0)
		return serve_listeners(&o, argv);
	serve_connection(o.service);
	return 0;
}
