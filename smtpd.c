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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/ancestor.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/domains.h"
#include "base/fds.h"
#include "base/job.h"
#include "base/log.h"
#include "base/num.h"
#include "base/sandbox.h"
#include "base/wipe.h"
#include "front/doors.h"
#include "front/front.h"
#include "front/inetd.h"
#include "front/options.h"
#include "front/served.h"
#include "front/users.h"
#include "keeper/keeper.h"
#include "session/session.h"

/* A session that has closed its boundary is given so long to be gone. */
#define LEAVE_MS (10 * 1000)

static struct conf conf;
static bool listening; /* no client waits on fd 1 */
static bool demand; /* there is mail that may be asked for: ETRN is announced */
static struct doors doors = { { NULL, -1 }, { NULL, -1 }, { NULL, -1 } };

/* For the entrances where a client waits on fd 1. */
static noreturn void
die_starting(const char *what, int err)
{
	if (!listening)
		(void)served_say_421(1);
	die_temp(what, err);
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

static struct user
find_session_user(void)
{
	struct user u;
	const char *wrong = users_session(&conf, &u);

	if (wrong != NULL)
		die_starting(wrong, errno);
	return u;
}

/* Asked before the fork, since two processes must not speak to one client. */
static struct user
find_keeper_user(int state)
{
	struct user u;
	const char *wrong = users_keeper(state, &u);

	if (wrong != NULL)
		die_starting(wrong, errno);
	return u;
}

static bool
become_keeper_user(struct user u)
{
	if (u.uid == 0 || sandbox_become(u.uid, u.gid) == 0)
		return true;
	log_error("become STATE's owner", errno);
	return false;
}

/*
 * DATABYTES as in qmail-smtpd: overrides the configured size, 0 = no limit. Asked once:
 * a session that the nursery forked has no environment.
 */
static uint64_t
find_size(void)
{
	static uint64_t size;
	const char *s;

	if (size > 0)
		return size;
	s = getenv("DATABYTES");
	if (s == NULL)
		size = conf.size;
	else if (!parse_u64(s, LIMIT_MESSAGE, &size))
		die_starting("DATABYTES in the environment: expected a number", 0);
	if (size == 0)
		size = LIMIT_MESSAGE;
	return size;
}

/* TLS takes a whole connection: no pair of pipes. */
static bool
is_connection(int fd)
{
	int type;
	socklen_t len = sizeof type;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0;
}

static bool
may_relay(const struct ip *client)
{
	return getenv("RELAYCLIENT") != NULL || is_ip_in(client, &conf.relay_from);
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
	k->may_relay = may_relay(&job->client);
	k->may_secure = conf.tls && is_connection(job->conn);
	k->tls = doors.tls;
	k->auth = doors.auth;
	k->flush = doors.flush;
}

static void
set_up_session(struct session_setup *s, const struct job *job, bool is_connection)
{
	s->conf = &conf;
	s->size = find_size();
	s->service = job->service;
	s->client = job->client;
	s->demand = demand && job->service != SERVICE_LMTP && job->service != SERVICE_FETCHED;
	s->may_secure = conf.tls && is_connection;
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

/* Sees the session out; of one that died its client may have heard nothing. */
static void
reap(pid_t session)
{
	struct log_line l;
	int status;

	if (!inetd_reap(session, LEAVE_MS, &status))
		return;
	if (WIFEXITED(status) && (WEXITSTATUS(status) == SESSION_DONE ||
	                          WEXITSTATUS(status) == SESSION_BROKEN))
		return;
	log_start(&l, "session-died");
	if (WIFSIGNALED(status))
		log_signal(&l, WTERMSIG(status));
	else
		log_number(&l, "exit", (uint64_t)WEXITSTATUS(status));
	log_send(&l, LOG_LEVEL_ERROR);
	(void)served_say_421(1);
}

static noreturn void
be_session(const struct job *job, struct user u)
{
	struct session_setup setup = { .in = 0, .out = 1, .boundary = job->boundary };
	char jail[USERS_PATH];

	set_up_session(&setup, job, is_connection(job->conn));
	users_state_path(jail, &conf, "/jail");
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

	inetd_find_client(&job.client);
	job_make_id(job.session_id, (unsigned)getpid());
	served_start(job.session_id, &job.client);
	open_directories(&setup);
	demand = domains_any_mention(setup.domains, "etrn");
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
	if (inetd_has_question(job.boundary, (int)(conf.session + 60) * 1000)) {
		doors_open(&doors, &conf, may_relay(&job.client));
		set_up_keeper(&setup, &job);
		if (become_keeper_user(keeper) && confine_keeper(&setup))
			(void)keeper_run(&setup); /* it has logged what was wrong */
	}
	(void)close(pair[0]); /* tells the session */
	reap(child);
	served_end(start);
}

/* -- the listening entrance ---------------------------------------------------- */

static void
become_nursery(void)
{
	struct session_setup setup = { 0 };
	struct keeper_setup keeper;
	struct user u = find_session_user();
	char jail[USERS_PATH];

	/* What would end every keeper is found here, where it still changes something. */
	open_directories(&keeper);
	demand = domains_any_mention(keeper.domains, "etrn");
	(void)find_keeper_user(keeper.state);
	set_up_session(&setup, &(struct job){ .service = SERVICE_SMTP, .conn = -1 }, true);
	users_state_path(jail, &conf, "/jail");
	session_confine_ancestor(&setup, jail, u.uid, u.gid);
}

static void
run_session(void)
{
	struct session_setup setup = { 0 };
	struct job j;

	if (job_recv(ANCESTOR_JOBS, &j) != 1)
		_exit(0);
	set_up_session(&setup, &j, true);
	setup.in = setup.out = j.conn;
	setup.boundary = j.boundary;
	(void)session_run(&setup); /* closes the connection */
	(void)close(j.boundary);
	/* RLIMIT_CPU counts all that this process serves: it leaves before it is struck. */
	if (clock_cpu_seconds() >= LIMIT_SESSION_CPU / 2)
		_exit(0);
}

/* After the boundary's end: the client of a session that died hears why. */
static void
see_off(const struct job *j, enum keeper_end end)
{
	struct log_line l;

	(void)close(j->boundary);
	if (end == KEEPER_TURNED) {
		(void)close(j->conn); /* flush has its copy: not a word, and no shutdown() */
		return;
	}
	if (end != KEEPER_DONE)
		(void)poll(NULL, 0, 200); /* an honest session says it itself */
	if (served_say_421(j->conn) && end == KEEPER_DONE) {
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

	served_start(j->session_id, &j->client);
	set_up_keeper(setup, j);
	(void)setsockopt(j->boundary, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
	end = keeper_run(setup);
	see_off(j, end);
	served_end(start);
	log_context("", "");
	return end;
}

static void
run_keeper(int control)
{
	static struct packet done;
	struct keeper_setup setup = { 0 };
	struct job j;
	int fds[] = { control, doors.tls.feed, doors.auth.feed, doors.flush.feed };

	/* A stop is the front's to give: a terminal tells the whole group. */
	(void)signal(SIGTERM, SIG_IGN); /* valid signals: cannot fail */
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	log_close();
	if (fds_settle(fds, sizeof fds / sizeof fds[0], 3) == -1)
		die_temp("start a keeper", errno);
	log_reopen();
	control = fds[0];
	doors.tls.feed = fds[1];
	doors.auth.feed = fds[2];
	doors.flush.feed = fds[3];
	open_directories(&setup);
	if (!become_keeper_user(find_keeper_user(setup.state)) || !confine_keeper(&setup))
		return;
	while (job_recv(control, &j) == 1) {
		enum keeper_end end = keep(&setup, &j);

		wipe_stack();
		if (end != KEEPER_DONE && end != KEEPER_TURNED)
			return; /* what was sent there may not be all it did */
		packet_start(&done, FRONT_DONE);
		if (packet_send(control, &done, -1) == -1)
			return;
	}
}

static int domains = -1; /* what watches them, in the front */

static bool
is_stale(void)
{
	return domains != -1 && domains_changed(domains);
}

/* Helpers that we started ourselves start anew, when the last keeper of before is gone. */
static void
configured(void)
{
	if (domains != -1)
		(void)close(domains); /* only read */
	domains = domains_watch(conf.domains);
	if (domains == -1 && errno != ENOENT) /* of that sessions complain */
		log_error("watch the domains: what they change is announced after a reload", errno);
	doors_open(&doors, &conf, true);
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
		.session_hot = session_hot(),
		.is_stale = is_stale,
		.configured = configured,
		.run_keeper = run_keeper,
		/* With -L nobody else would start us again. */
		.may_idle_out = true,
	};

	/* After a fresh start it would be "exe"; valid, so it cannot fail. */
	(void)prctl(PR_SET_NAME, "smtpd");
	for (char **a = argv; *a != NULL; a++)
		if (strncmp(*a, "-L", 2) == 0)
			setup.may_idle_out = false;
	configured();
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

/*
 * The client is a provider that we have called (flush --fetch): it brings mail for our
 * domains, and that is all, whatever its address may do when it calls us.
 */
static void
trust_nobody(void)
{
	conf.relay_from.n = conf.proxies.n = conf.xclient.n = 0;
	conf.mechanisms = 0;
	conf.tls = false;
	(void)unsetenv("RELAYCLIENT"); /* a valid name */
}

int
main(int argc, char **argv)
{
	static struct options o;

	log_open("smtpd");
	options_read(&o, argc, argv);
	listening = o.listeners.n > 0;
	set_signals();
	if (conf_load(&conf, o.file, log_message, NULL) != 0)
		die_starting("the configuration has errors: postern check lists them", 0);
	if (o.service == SERVICE_FETCHED)
		trust_nobody();
	if (o.listeners.n > 0)
		return serve_listeners(&o, argv);
	serve_connection(o.service);
	return 0;
}
