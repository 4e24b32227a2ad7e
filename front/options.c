/* See options.h. */
#include "front/options.h"

#include <errno.h>
#include <stdnoreturn.h>
#include <unistd.h>

#include "base/log.h"
#include "front/listen.h"

#define USAGE \
	"usage: smtpd [-c FILE] [-s smtp|submission|submissions|lmtp|odmr] [-L ADDRESS:PORT]..."

/* What the system refuses may be there later; what nobody can mean is misuse. */
static noreturn void
die_listening(const char *why)
{
	if (errno != 0)
		die_temp(why, errno);
	die_misused(why, USAGE);
}

void
options_read(struct options *o, int argc, char **argv)
{
	const char *why = "LISTEN_FDS";
	struct listeners opened = { 0 };
	int c;

	o->file = SYSCONFDIR "/postern/postern.conf";
	o->service = SERVICE_SMTP;
	opterr = 0;
	/* Sockets handed over win: after a fresh start they are those of -L. */
	if (listen_take(&o->listeners, &why) == -1)
		die_misused(why, USAGE);
	while ((c = getopt(argc, argv, "c:s:L:")) != -1) {
		errno = 0;
		if (c == 'c')
			o->file = optarg;
		else if (c == 'L' && o->listeners.n > 0)
			continue;
		else if (c == 'L' && o->service == SERVICE_FETCHED)
			die_misused("-s fetched: the connection is descriptors 0 and 1", USAGE);
		else if (c == 'L' && listen_open(&opened, optarg, o->service, &why) == -1)
			die_listening(why);
		else if (c == 's' && !parse_service(optarg, &o->service))
			die_misused("-s: expected smtp, submission, submissions, lmtp or odmr", USAGE);
		else if (c == '?')
			die_misused("unknown option", USAGE);
	}
	errno = 0;
	if (optind < argc)
		die_misused("too many arguments", USAGE);
	if (o->listeners.n == 0)
		o->listeners = opened;
	for (unsigned i = 0; i < o->listeners.n; i++)
		if (o->listeners.at[i].service == 0)
			o->listeners.at[i].service = o->service;
}
