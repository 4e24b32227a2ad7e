/*
 * spool: takes messages from programs of this host. As `spool` it is what qmail-queue(8)
 * is: message on fd 0, envelope on fd 1, an exit code. Under the name sendmail it is the
 * command that mail programs call. With -l it serves the socket by which users who may
 * not touch STATE hand in theirs.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "front/starter.h"
#include "front/users.h"
#include "spool/local.h"
#include "spool/qmail.h"
#include "spool/sendmail.h"
#include "spool/serve.h"

#define USAGE "usage: spool [-c FILE] [-erv] <message 1<envelope | spool [-c FILE] -l"
#define MISUSED 2

static const struct conf *conf; /* for who becomes flush */

static const char *
base_name(const char *path)
{
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;

	return slash != NULL ? slash + 1 : path != NULL ? path : "spool";
}

static void
on_alarm(int sig)
{
	(void)sig;
	_exit(SPOOL_TIMEOUT);
}

/* Whoever started us may have ignored or blocked what we rely on; all valid, none fails. */
static void
set_signals(void)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)signal(SIGALRM, on_alarm);
	(void)alarm(LIMIT_SPOOL_INPUT);
}

static void
find_flush_user(struct user *u)
{
	int state = open(conf->state, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *wrong = state == -1 ? "open STATE" : users_keeper(state, u);

	if (wrong != NULL)
		die_temp(wrong, errno);
	(void)close(state); /* a path only */
}

/*
 * Where flush has no socket (a tree of an ordinary user) it is started when something is
 * queued, and outlives us. Whoever waits for the end of our standard error must not wait
 * for flush's, which goes without: its log is syslog's then.
 */
static void
open_flush(const struct conf *c, struct helper_door *flush)
{
	struct starter_helper helpers[STARTER_HELPERS] = { { "flush", find_flush_user, -1 } };
	struct stat st;
	int error, null;

	conf = c;
	*flush = (struct helper_door){ c->flush_socket, -1 };
	if (c->flush_socket[0] != '\0' && stat(c->flush_socket, &st) == 0 && S_ISSOCK(st.st_mode))
		return;
	error = fcntl(2, F_DUPFD_CLOEXEC, 3);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null != -1 && null != 2) {
		(void)dup3(null, 2, O_CLOEXEC); /* closed in flush; a free number would be taken */
		(void)close(null);
	}
	if (starter_start(helpers, c->file) == -1)
		helpers[0].feed = -1; /* the timer finds the mail */
	if (error != -1) {
		(void)dup2(error, 2); /* it was there before */
		(void)close(error);
	}
	*flush = (struct helper_door){ NULL, helpers[0].feed };
}

static int
run_spool(int argc, char **argv)
{
	const char *file = NULL;
	bool listen = false, verbose = false;
	enum qmail_kind kind = QMAIL_PLAIN;
	int c;

	qmail_find_error_fd();
	opterr = 0;
	while ((c = getopt(argc, argv, "+c:elrv")) != -1) {
		if (c == 'c')
			file = optarg;
		listen |= c == 'l';
		if (c == 'e')
			kind = QMAIL_QUEUED;
		else if (c == 'r' && kind == QMAIL_PLAIN)
			kind = QMAIL_REQUIRETLS;
		verbose |= c == 'v';
		if (c == '?')
			optind = argc + 1;
	}
	(listen || verbose ? log_open : log_open_aside)("spool");
	if (optind != argc || (listen && kind != QMAIL_PLAIN)) {
		log_error(USAGE, 0);
		return MISUSED;
	}
	if (!listen)
		return qmail_run(local_file(file), kind);
	(void)alarm(0);                   /* children have their own */
	(void)signal(SIGALRM, SIG_DFL);
	return serve_run(local_file(file));
}

int
main(int argc, char **argv)
{
	const char *name = base_name(argv[0]);

	(void)umask(077);
	set_signals();
	local_open_flush = open_flush;
	if (!is_sendmail(name))
		return run_spool(argc, argv);
	log_open_aside("spool"); /* one name in the log, whatever it was called by */
	return sendmail_run(name, argc, argv);
}
