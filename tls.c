/*
 * tls: TLS for the connections of others, one process each. Wires the parent, which has
 * the certificates and forks; the key holder, which has the private keys and signs; and a
 * relay for every connection, which reads what the network sends and holds neither. Relays
 * are forked ahead by an ancestor of theirs.
 */
#include <errno.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/helper.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "tls/client.h"
#include "tls/confine.h"
#include "tls/context.h"
#include "tls/examine.h"
#include "tls/heap.h"
#include "tls/holder.h"
#include "tls/huge.h"
#include "tls/make.h"
#include "tls/out.h"
#include "tls/serve.h"
#include "tls/stock.h"
#include "tls/ticket.h"

#define USAGE \
	"usage: tls [-c FILE] [-F], tls show|check [-c FILE], tls served NAME ECDSA|RSA, " \
	"tls make CERT KEY NAME..., tls connect [CAFILE]"
/* For a handshake asked for by a user. */
#define CONNECT_SECONDS 60
/* A process that dies at once is started anew this slowly. */
#define AGAIN_MS 1000

struct user {
	uid_t uid;
	gid_t gid;
	bool reader; /* keys of other owners have to be read again at a reload */
};

static const char *file = SYSCONFDIR "/postern/postern.conf";
static struct conf conf;
static struct conf_tls files;
static struct context *context;
static bool must_renew; /* there is something that relays forked so far do not know */

static void
read_options(struct helper *h, int argc, char **argv)
{
	int c;

	opterr = 0;
	while ((c = getopt(argc, argv, "c:F")) != -1) {
		if (c == 'c')
			file = optarg;
		else if (c == 'F')
			h->feed = true;
		else
			die_misused("unknown option", USAGE);
	}
	if (optind < argc)
		die_misused("too many arguments", USAGE);
}

/* -- for the command postern, which starts the program with one of these words ---------- */

static void
read_conf(int argc, char **argv)
{
	struct helper unused = { .feed = false };

	read_options(&unused, argc, argv);
	if (conf_load_tls(&conf, &files, file, log_message, NULL) != 0)
		_exit(1);
}

static int
run_show(int argc, char **argv)
{
	read_conf(argc, argv);
	examine_show(&files);
	return out_flush() ? 0 : 111;
}

static int
run_check(int argc, char **argv)
{
	read_conf(argc, argv);
	examine_check(&conf, &files);
	return out_flush() ? 0 : 111;
}

/* The connection is on fd 0. */
static int
run_served(int argc, char **argv)
{
	if (argc != 3)
		die_misused("served: expected NAME and ECDSA or RSA", USAGE);
	(void)signal(SIGPIPE, SIG_IGN); /* a valid signal */
	examine_served(0, argv[1], argv[2]);
	return out_flush() ? 0 : 111;
}

/* TLS_CONNECT of base/helper.h from fd 3, once: for the program send. */
static int
run_connect(int argc, char **argv)
{
	if (argc > 2 || (argc == 2 && !text_copy(conf.tls_ca, sizeof conf.tls_ca, argv[1])))
		die_misused("connect: expected a file of certificates, or nothing", USAGE);
	(void)signal(SIGPIPE, SIG_IGN); /* a valid signal */
	tzset();
	if (!client_start(&conf))
		die_temp("start", errno);
	client_prepare();
	return serve_asker(HELPER_FEED_FD, CONNECT_SECONDS);
}

static int
run_make(int argc, char **argv)
{
	const char *why = NULL;

	if (argc < 4)
		die_misused("make: expected CERT, KEY and the names", USAGE);
	if (make_certificate(argv[1], argv[2], argv + 3, argc - 3, &why) == 0)
		return 0;
	log_error(why, errno);
	return 1;
}

static const struct {
	const char *word;
	int (*run)(int argc, char **argv);
} words[] = {
	{ "show", run_show },
	{ "check", run_check },
	{ "served", run_served },
	{ "make", run_make },
	{ "connect", run_connect },
};

static void
run_word(int argc, char **argv)
{
	for (size_t i = 0; argc > 0 && i < sizeof words / sizeof words[0]; i++)
		if (strcmp(argv[0], words[i].word) == 0)
			exit(words[i].run(argc, argv));
}

/* -- the parent ---------------------------------------------------------------------------- */

/* The owner of STATE/jail.owner, or session-user: who owns no file at all. */
static void
find_session_user(struct user *u)
{
	char path[LIMIT_FILE + 16];
	struct stat st;
	struct text t;

	*u = (struct user){ (uid_t)conf.session_user, (gid_t)conf.session_user, true };
	text_init(&t, path, sizeof path);
	text_add(&t, conf.state);
	text_add(&t, "/jail.owner");
	if (u->uid == 0 && lstat(path, &st) == 0)
		*u = (struct user){ st.st_uid, st.st_gid, true };
}

/*
 * With privilege: the owner of the first key. Where that is root, the user of the
 * sessions, with the right to read files, which is kept by the parent alone. The same user
 * where there is no key: connections of ours to others need none.
 */
static void
find_user(struct user *u)
{
	struct stat st = { .st_uid = 0 };

	if (files.n > 0 && stat(files.at[0].key[0], &st) == -1) {
		log_error(files.at[0].key[0], errno);
		die_temp("read tls-key", 0);
	}
	if (st.st_uid == 0)
		find_session_user(u);
	else
		*u = (struct user){ st.st_uid, st.st_gid != 0 ? st.st_gid : (gid_t)st.st_uid, false };
	if (u->uid == 0 || u->gid == 0)
		die_temp("started with privilege, but tls-key is root's, or there is none, and there "
		         "is no session user to become: give the key to a user of its own, or set "
		         "session-user", 0);
	for (unsigned i = 0; i < files.n; i++)
		for (unsigned k = 0; k < files.at[i].keys; k++)
			if (stat(files.at[i].key[k], &st) == 0 && st.st_uid != u->uid)
				u->reader = true;
}

static void
load(void)
{
	struct user u = { 0, 0, false };
	bool privileged = sandbox_is_privileged();

	if (conf_load_tls(&conf, &files, file, log_message, NULL) != 0)
		die_temp("the configuration has errors", 0);
	if (privileged)
		find_user(&u);
	if (!client_start(&conf))
		die_temp("start", errno);
	if (files.n > 0 && (context = context_load(&files, u.uid, u.gid)) == NULL)
		die_temp("TLS cannot be served", 0);
	if (privileged && (u.reader ? sandbox_become_reader(u.uid, u.gid) :
	                              sandbox_become(u.uid, u.gid)) == -1)
		die_temp("become the user of tls", errno);
	confine_start(); /* again: another uid is dumpable anew */
}

/* Relays to come are forked from what is there now; those that wait, end. */
static bool
renew(void)
{
	const struct serve_setup setup = {
		.context = context,
		.handshake = (unsigned)conf.handshake,
	};

	serve_prepare(&setup);
	return stock_renew(conf.session_reuse);
}

static void
exchange(struct context *new_context)
{
	heap_open();
	if (context != NULL)
		context_free(context);
	context = new_context;
	heap_seal();
}

/* What can't be loaded leaves all as it was. */
static void
reload(void)
{
	static struct conf new_conf;
	static struct conf_tls new_files;
	struct context *new_context = NULL;
	bool good = conf_load_tls(&new_conf, &new_files, file, log_message, NULL) == 0;

	if (good && new_files.n > 0)
		good = (new_context = context_load(&new_files, 0, 0)) != NULL;
	if (!good) {
		log_error("reload failed: the certificates of before stay", 0);
		return;
	}
	exchange(new_context);
	conf = new_conf;
	files = new_files;
	if (!client_start(&conf))
		log_error("the authorities' certificates of before stay", errno);
	must_renew = !renew();
	log_notice("reloaded");
}

/* A key holder that has died is replaced before the next connection needs it. */
static void
replace_holder(void)
{
	static int64_t last;
	struct context *new_context;

	log_error("the key holder has ended; starting another", 0);
	if (last != 0 && clock_ms() - last < AGAIN_MS)
		(void)poll(NULL, 0, AGAIN_MS);
	last = clock_ms();
	new_context = context_load(&files, 0, 0);
	if (new_context == NULL)
		die_temp("without a key holder TLS cannot be served", 0);
	exchange(new_context);
}

static void
give(int asker)
{
	int channel = -1;

	if (!ticket_rotate(clock_ms()))
		log_error("no randomness for ticket keys", 0);
	if (context != NULL && !holder_lives(context->holder)) {
		replace_holder();
		must_renew = true;
	}
	if (must_renew)
		must_renew = !renew();
	if (context != NULL && (channel = holder_channel(context->holder)) == -1)
		log_error("ask the key holder", errno);
	stock_give(asker, channel);
}

/* Relays that died do not matter here; their ancestor does. */
static void
replace_ancestor(void)
{
	static int64_t last;

	log_error("the ancestor of the relays has ended; starting another", 0);
	if (last != 0 && clock_ms() - last < AGAIN_MS)
		(void)poll(NULL, 0, AGAIN_MS);
	last = clock_ms();
	if (!renew())
		die_temp("without relays TLS cannot be served", 0);
}

static void
hear(void)
{
	int asker;

	for (;;)
		switch (stock_hear(&asker)) {
		case STOCK_NOTHING:
			return;
		case STOCK_GONE:
			replace_ancestor();
			break;
		case STOCK_OLD:
			must_renew = true;
			break;
		case STOCK_BACK:
			if (!client_is_ready()) {
				client_prepare();
				must_renew = true;
			}
			give(asker);
			break;
		}
}

/* Each handshake in progress is a channel of the key holder. */
static void
raise_descriptors(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r); /* up to the hard limit is always allowed */
	}
}

int
main(int argc, char **argv)
{
	static const struct helper_pool pool = {
		.give = give, .busy = stock_busy, .watch = stock_watch, .hear = hear,
	};
	struct helper h = { .pool = &pool, .reload = reload };
	int r;

	heap_start();
	log_open("tls");
	confine_start();
	/* What openssl.cnf of the host says is for programs without rules of their own. */
	if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		die_temp("OpenSSL cannot be used", 0);
	run_word(argc - 1, argv + 1);
	huge_start();
	tzset(); /* syslog(3) in a relay would read the zone's file, which it may not */
	read_options(&h, argc, argv);
	raise_descriptors();
	if (!ticket_rotate(clock_ms()))
		die_temp("no randomness for ticket keys", 0);
	load();
	heap_seal();
	if (!renew())
		die_temp("start", 0);
	h.children = (unsigned)conf.connections;
	h.idle_ms = (int64_t)conf.idle * 1000;
	r = helper_run(&h);
	if (r == -1)
		die_misused("expected listening sockets (LISTEN_FDS) or a feed (-F)", USAGE);
	return r;
}
