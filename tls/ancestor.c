/* See ancestor.h. Reads the parent's packets only; never an octet of the network. */
#include "tls/ancestor.h"

#include <errno.h>
#include <poll.h>
#include <stdnoreturn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/ancestor.h"
#include "base/log.h"
#include "base/packet.h"
#include "tls/confine.h"
#include "tls/serve.h"
#include "tls/ticket.h"

static noreturn void
be_ancestor(int control, void (*run)(void), bool once)
{
	static char *no_environment[] = { NULL };
	struct spawn s = { .run = run, .once = once, .rests = true };

	serve_hot(s.hot);
	ticket_forget();
	(void)prctl(PR_SET_NAME, "tls-ancestor", 0, 0, 0); /* for ps; a valid name */
	/* It lies on a stack that relays do not have; and without TZ the time is read anew. */
	environ = no_environment;
	tzset();
	if (ancestor_settle(control) == -1)
		die_temp("start the ancestor of the relays", errno);
	if (!confine_relays(&s) || !ancestor_run(&s))
		die_temp("confine the relays", errno);
	_exit(0);
}

int
tls_ancestor_start(void (*run)(void), bool once)
{
	int control[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) == -1) {
		log_error("socketpair", errno);
		return -1;
	}
	pid = fork();
	if (pid == 0)
		be_ancestor(control[1], run, once);
	(void)close(control[1]); /* the ancestor's */
	if (pid != -1)
		return control[0];
	log_error("fork", errno);
	(void)close(control[0]);
	return -1;
}
