/*
 * flush: sends what is queued. `flush DOMAIN...`, `flush --due` (a timer), `flush --all`, or
 * words over the datagram sockets that a unit hands in, or over a feed (-F). Wires the
 * dispatcher (this process) with runners, senders and the router.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/log.h"
#include "base/name.h"
#include "base/num.h"
#include "base/sandbox.h"
#include "front/starter.h"
#include "front/users.h"
#include "relay/dispatch.h"
#include "relay/fetch.h"
#include "relay/route.h"
#include "relay/router.h"

#define USAGE "usage: flush [-c FILE] [--now] DOMAIN... | --due | --all | -F | --fetch PROVIDER [--etrn]"
#define FIRST_FD 3   /* SD_LISTEN_FDS_START */
#define MAX_DOMAINS 1000

static struct conf conf;
static const char *file = SYSCONFDIR "/postern/postern.conf";
static struct conf_provider provider; /* --fetch */
static bool etrn;
static struct user session; /* who senders and the router become */

/* -- the command line ------------------------------------------------------------------------- */

/* Names as the queue has them. */
static void
read_domains(struct dispatch_setup *d, int n, char **names)
{
	static char *list[MAX_DOMAINS + 1];

	if (n > MAX_DOMAINS)
		die_misused("too many domains", USAGE);
	for (int i = 0; i < n; i++) {
		char name[LIMIT_NAME + 1];

		if (!name_queue(name, names[i]))
			die_misused("expected a domain such as example.org", USAGE);
		list[i] = strdup(name);
		if (list[i] == NULL)
			die_temp("memory", errno);
	}
	d->domains = list;
}

static void
read_options(struct dispatch_setup *d, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "due", no_argument, NULL, 'd' },
		{ "all", no_argument, NULL, 'a' },
		{ "now", no_argument, NULL, 'n' },
		{ "fetch", required_argument, NULL, 'f' },
		{ "etrn", no_argument, NULL, 'e' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "c:F", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			file = optarg;
			break;
		case 'F':
			d->feed = HELPER_FEED_FD;
			break;
		case 'd':
			d->scan = DISPATCH_DUE;
			break;
		case 'a':
			d->scan = DISPATCH_ALL;
			break;
		case 'n':
			d->now = true;
			break;
		case 'f':
			if (optarg[0] == '\0' || !text_copy(provider.name, sizeof provider.name, optarg))
				die_misused("--fetch: expected the name of a provider", USAGE);
			break;
		case 'e':
			etrn = true;
			break;
		default:
			die_misused("unknown option", USAGE);
		}
	}
	if (provider.name[0] == '\0' ? etrn : optind < argc || d->scan != DISPATCH_NONE || d->now ||
	                                      d->feed != -1)
		die_misused("--etrn is for --fetch, and --fetch for itself", USAGE);
	if (optind < argc && (d->scan != DISPATCH_NONE || d->feed != -1))
		die_misused("too many arguments", USAGE);
	read_domains(d, argc - optind, argv + optind);
}

/* -- what was handed in ------------------------------------------------------------------------ */

static void
find_doors(struct dispatch_setup *d)
{
	static int doors[DISPATCH_DOORS];
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint64_t n;

	if (d->feed != -1) {
		(void)fcntl(d->feed, F_SETFD, FD_CLOEXEC);
		return;
	}
	if (pid == NULL || fds == NULL || !parse_u64(pid, INT32_MAX, &n) ||
	    (pid_t)n != getpid())
		return;
	if (!parse_u64(fds, DISPATCH_DOORS, &n))
		die_misused("LISTEN_FDS: expected one to four datagram sockets", USAGE);
	for (int fd = FIRST_FD; fd < FIRST_FD + (int)n; fd++) {
		int type;
		socklen_t len = sizeof type;

		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == -1 || type != SOCK_DGRAM)
			die_misused("LISTEN_FDS: expected datagram sockets", USAGE);
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
		doors[d->n_doors++] = fd;
	}
	d->doors = doors;
}

static int
open_directory(int at, const char *path, const char *what)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1)
		die_temp(what, errno);
	return fd;
}

static void
open_directories(struct dispatch_setup *d)
{
	d->state = open_directory(AT_FDCWD, conf.state, "open STATE");
	d->spool = open_directory(d->state, "spool", "open STATE/spool");
	d->dir = open_directory(AT_FDCWD, conf.domains, "open domains/ beside the configuration");
}

/* -- who everybody is ----------------------------------------------------------------------------- */

static void
find_users(struct dispatch_setup *d)
{
	static char jail[USERS_PATH];
	struct user owner;
	const char *wrong = users_keeper(d->state, &owner);

	if (wrong == NULL)
		wrong = users_session(&conf, &session);
	if (wrong != NULL)
		die_temp(wrong, errno);
	users_state_path(jail, &conf, "/jail");
	d->owner = owner.uid;
	d->owner_gid = owner.gid;
	d->jail = jail;
	d->session = session.uid;
	d->session_gid = session.gid;
}

/* Policies are the runners' to write, whoever makes their directory. */
static void
open_policies(struct dispatch_setup *d)
{
	d->sts = route_open_kept(d->state);
	if (d->sts == -1)
		log_error("STATE/sts: policies of MTA-STS are not kept", errno);
	else if (geteuid() == 0 && fchown(d->sts, d->owner, d->owner_gid) == -1)
		log_error("STATE/sts: give it to STATE's owner", errno);
}

static int
start_router(const struct dispatch_setup *d)
{
	struct router_setup r = { .conf = &conf, .sts = true, .uid = d->session,
	                          .gid = d->session_gid };

	return router_start(&r);
}

/* -- TLS where no socket unit has it ----------------------------------------------------------------- */

static void
find_tls_user(struct user *u)
{
	const char *wrong;
	int state;

	if (conf.tls) {
		wrong = users_tls(&conf, log_message, u);
	} else {
		/* No key: a client needs none. */
		state = open(conf.state, O_PATH | O_DIRECTORY | O_CLOEXEC);
		wrong = state == -1 ? "open STATE" : users_keeper(state, u);
	}
	if (wrong != NULL)
		die_temp(wrong, errno);
}

static void
open_tls(struct dispatch_setup *d)
{
	struct starter_helper helpers[STARTER_HELPERS] = { { "tls", find_tls_user, -1 } };
	struct stat st;

	for (unsigned i = 1; i < STARTER_HELPERS; i++)
		helpers[i] = (struct starter_helper){ NULL, NULL, -1 };
	d->tls = (struct helper_door){ NULL, -1 };
	if (conf.tls_socket[0] != '\0' && stat(conf.tls_socket, &st) == 0 && S_ISSOCK(st.st_mode)) {
		d->tls.path = conf.tls_socket;
		return;
	}
	if (starter_start(helpers, conf.file) == -1)
		log_error("start the starter", errno);
	d->tls.feed = helpers[0].feed;
}

static void
set_limits(void)
{
	static const struct rlimit none = { 0, 0 };
	struct rlimit r;

	if (setrlimit(RLIMIT_CORE, &none) == -1 || sandbox_no_trace() == -1)
		die_temp("forbid cores", errno);
	/* A descriptor for each runner, several for each connection. */
	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r); /* up to the hard limit is always allowed */
	}
}

/* Calls the provider; does not come back where that turns the connection. */
static int
fetch(struct dispatch_setup *d)
{
	struct fetch_setup f = { .conf = &conf, .provider = &provider, .etrn = etrn };

	if (conf_load_provider(&conf, &provider, file, log_message, NULL) != 0)
		die_temp("the configuration has errors: postern check lists them", 0);
	if (!provider.found)
		die_misused("--fetch: there is no such section [provider NAME]", USAGE);
	set_limits();
	d->state = open_directory(AT_FDCWD, conf.state, "open STATE");
	find_users(d);
	open_tls(d);
	f.tls = d->tls;
	f.jail = d->jail;
	f.session = d->session;
	f.session_gid = d->session_gid;
	f.router = start_router(d);
	return fetch_run(&f);
}

int
main(int argc, char **argv)
{
	static struct dispatch_setup d = { .conf = &conf, .feed = -1, .sts = -1, .router = { NULL, -1 },
	                                   .start_router = start_router };

	log_open("flush");
	log_open_fields();
	(void)umask(077);
	(void)signal(SIGCHLD, SIG_DFL); /* whoever started us may have ignored it */
	read_options(&d, argc, argv);
	if (provider.name[0] != '\0')
		return fetch(&d);
	find_doors(&d);
	if (d.scan == DISPATCH_NONE && d.n_doors == 0 && d.feed == -1 &&
	    (d.domains == NULL || d.domains[0] == NULL))
		die_misused("which domain? --due and --all take all", USAGE);
	if (conf_load(&conf, file, log_message, NULL) != 0)
		die_temp("the configuration has errors: postern check lists them", 0);
	set_limits();
	open_directories(&d);
	find_users(&d);
	open_policies(&d);
	open_tls(&d);
	return dispatch_run(&d);
}
