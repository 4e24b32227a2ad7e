/* See ancestor.h. Reads the parent's packets only; never an octet of the network. */
#include "tls/ancestor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdnoreturn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/num.h"
#include "base/packet.h"
#include "base/spawn_loop.h"
#include "tls/confine.h"

#define CONTROL 3
#define ENDED 'e' /* from it: how many have ended with a connection, how many without */
#define DIED 'x'  /* one died by a signal: its number */
#define SHORT 'f' /* none can be forked for now, and why: a number of errno */

/* Should the parent be gone, the loop will see. */
static void
report(char letter, unsigned first, unsigned second)
{
	struct packet p;

	packet_start(&p, letter);
	packet_addu(&p, first);
	packet_addu(&p, second);
	(void)packet_send(CONTROL, &p, -1);
}

static void
reap(void)
{
	unsigned ended = 0, idle = 0;
	int status;

	while (waitpid(-1, &status, WNOHANG) > 0) {
		if (WIFSIGNALED(status))
			report(DIED, (unsigned)WTERMSIG(status), 0);
		else if (WEXITSTATUS(status) == ANCESTOR_IDLE)
			idle++;
		else
			ended++;
	}
	if (ended + idle > 0)
		report(ENDED, ended, idle);
}

static void
tell_short(int err)
{
	report(SHORT, (unsigned)err, 0);
}

/* As the parent's children have them. */
static void
set_signals(void)
{
	spawn_loop_signals();
	/* Valid signals: these cannot fail. */
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGINT, SIG_DFL);
}

static noreturn void
be_ancestor(int control, int queue, void (*run)(void))
{
	static char *no_environment[] = { NULL };
	const struct spawn_loop loop = {
		.control = CONTROL, .run = run, .reap = reap, .is_short = tell_short,
	};

	(void)prctl(PR_SET_NAME, "tls-ancestor", 0, 0, 0); /* for ps; a valid name */
	set_signals();
	/* It lies on a stack that relays do not have; and without TZ the time is read anew. */
	environ = no_environment;
	tzset();
	log_close();
	/* Both may stand on the other's number. */
	control = fcntl(control, F_DUPFD, ANCESTOR_QUEUE + 1);
	queue = fcntl(queue, F_DUPFD, ANCESTOR_QUEUE + 1);
	if (control == -1 || queue == -1 || dup2(control, CONTROL) == -1 ||
	    dup2(queue, ANCESTOR_QUEUE) == -1)
		die_temp("start the ancestor of the relays", errno);
	if (!confine_relays(ANCESTOR_QUEUE + 1))
		die_temp("confine the relays", errno);
	spawn_loop(&loop);
	_exit(0);
}

bool
ancestor_start(struct ancestor *a, void (*run)(void))
{
	const int type = SOCK_SEQPACKET | SOCK_CLOEXEC;
	int control[2], queue[2];
	pid_t pid;

	if (socketpair(AF_UNIX, type, 0, control) == -1) {
		log_error("socketpair", errno);
		return false;
	}
	if (socketpair(AF_UNIX, type, 0, queue) == -1) {
		log_error("socketpair", errno);
		(void)close(control[0]);
		(void)close(control[1]);
		return false;
	}
	pid = fork();
	if (pid == 0)
		be_ancestor(control[1], queue[1], run);
	if (pid == -1)
		log_error("fork", errno);
	(void)close(control[1]); /* the ancestor's */
	(void)close(queue[1]);
	(void)fcntl(control[0], F_SETFL, O_NONBLOCK);
	(void)fcntl(queue[0], F_SETFL, O_NONBLOCK);
	*a = (struct ancestor){ control[0], queue[0] };
	return pid != -1;
}

bool
ancestor_order(const struct ancestor *a, unsigned n)
{
	struct packet p;

	packet_start(&p, SPAWN_ORDER);
	packet_addu(&p, n);
	return packet_send(a->control, &p, -1) == 0;
}

static void
log_death(int sig)
{
	struct log_line l;

	log_start(&l, "child-died");
	log_signal(&l, sig);
	log_send(&l, LOG_LEVEL_ERROR);
}

void
ancestor_hear(const struct ancestor *a, struct ancestor_news *news)
{
	struct packet p;
	uint64_t first, second;
	int r;

	*news = (struct ancestor_news){ 0, 0, false, false };
	while ((r = packet_recv(a->control, &p)) == 1) {
		packet_close_fds(&p); /* none is ever meant for us */
		if (p.n != 2 || !parse_u64(p.field[0], INT32_MAX, &first) ||
		    !parse_u64(p.field[1], INT32_MAX, &second))
			continue;
		switch (p.letter) {
		case ENDED:
			news->ended += (unsigned)first;
			news->idle += (unsigned)second;
			break;
		case DIED:
			log_death((int)first);
			news->ended++;
			news->died = true;
			break;
		case SHORT:
			log_error("fork a relay", (int)first);
			break;
		default:
			break;
		}
	}
	news->gone = r == 0 || errno != EAGAIN;
}
