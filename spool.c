/*
 * spool: takes messages from programs of this host. As `spool` it is what qmail-queue(8)
 * is: message on fd 0, envelope on fd 1, an exit code. Under the name sendmail it is the
 * command that mail programs call. With -l it serves the socket by which users who may
 * not touch STATE hand in theirs.
 */
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "spool/local.h"
#include "spool/qmail.h"
#include "spool/sendmail.h"
#include "spool/serve.h"

#define USAGE "usage: spool [-c FILE] [-v] <message 1<envelope | spool [-c FILE] -l"
#define MISUSED 2

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

static int
run_spool(int argc, char **argv)
{
	const char *file = NULL;
	bool listen = false, verbose = false;
	int c;

	qmail_find_error_fd();
	opterr = 0;
	while ((c = getopt(argc, argv, "+c:lv")) != -1) {
		if (c == 'c')
			file = optarg;
		listen |= c == 'l';
		verbose |= c == 'v';
		if (c == '?')
			optind = argc + 1;
	}
	(listen || verbose ? log_open : log_open_aside)("spool");
	if (optind != argc) {
		log_error(USAGE, 0);
		return MISUSED;
	}
	if (!listen)
		return qmail_run(local_file(file));
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
	if (!is_sendmail(name))
		return run_spool(argc, argv);
	log_open_aside("spool"); /* one name in the log, whatever it was called by */
	return sendmail_run(name, argc, argv);
}
