/*
 * auth: the authenticator. It alone reads the verifiers. As a helper (LISTEN_FDS, or -F
 * under smtpd) it answers the keeper's SASL dialogue, one confined process for each
 * attempt; with a program behind its options it is a checkpassword program.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth/checkpassword.h"
#include "auth/confine.h"
#include "auth/open.h"
#include "auth/serve.h"
#include "base/helper.h"
#include "base/log.h"

#define USAGE "usage: auth [-c FILE] -F | auth [-c FILE] PROGRAM [ARGUMENT]..."
#define INPUT_FD 3

static struct auth auth = { .dir = -1, .foreign = -1 };
static const char *file = SYSCONFDIR "/postern/postern.conf";

/* Runs on with the old one where the new one has errors, which are in the log. */
static void
reload(void)
{
	if (!open_conf(&auth, file))
		log_notice("the configuration has errors: the old one stays");
}

static int
serve(int conn)
{
	return serve_attempt(&auth, conn);
}

static int
be_helper(bool feed)
{
	struct helper h = {
		.idle_ms = (int64_t)auth.conf.idle * 1000,
		/* A session has one attempt at a time: none ever waits for a child. */
		.children = (unsigned)auth.conf.connections,
		.feed = feed,
		.serve = serve,
		.reload = reload,
	};
	int r;

	if (confine_core() == -1)
		die_temp("keeping secrets out of cores", errno);
	if (open_state(&auth) == -1)
		return 111;
	r = helper_run(&h);
	if (r == -1)
		die_misused("no socket was handed over", USAGE);
	return r;
}

int
main(int argc, char **argv)
{
	bool feed = false;
	int c;

	log_open("auth");
	opterr = 0;
	while ((c = getopt(argc, argv, "+c:F")) != -1) {
		if (c == 'c')
			file = optarg;
		else if (c == 'F')
			feed = true;
		else
			die_misused("unknown option", USAGE);
	}
	if (!feed && optind < argc && fcntl(INPUT_FD, F_GETFD) == -1)
		die_misused("descriptor 3 is not open", USAGE);
	if (!open_conf(&auth, file))
		return 111;
	if (optind < argc && !feed) {
		auth.conf.auth[0] = '\0'; /* it is us that somebody's `auth` names */
		return checkpassword_run(&auth, argv + optind);
	}
	if (optind < argc || (!feed && getenv("LISTEN_FDS") == NULL))
		die_misused("-F, sockets from a service manager, or a program to run", USAGE);
	return be_helper(feed);
}
