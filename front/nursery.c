/* See nursery.h. Reads packets of the front only; never a client's octet. */
#include "front/nursery.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "base/packet.h"
#include "base/spawn.h"
#include "base/spawn_loop.h"

#define START_MS 30000 /* for a nursery to open what it needs */
#define READY 'y' /* nursery to front: it has come to life */
#define DIED 'x'  /* a session died abnormally */
#define OLD 'a'   /* it has used much of the time it may; another is to take over */
#define SHORT 'f' /* no session can be forked for now, and why: a number of errno */

static void
report(char letter, int number)
{
	struct packet p;

	packet_start(&p, letter);
	packet_addu(&p, (uint64_t)number);
	/* Should the front be gone, the loop will see. */
	(void)packet_send(NURSERY_CONTROL, &p, -1);
}

static void
reap(void)
{
	int status;

	while (waitpid(-1, &status, WNOHANG) > 0)
		if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
			report(DIED, status);
}

static void
tell_short(int err)
{
	report(SHORT, err);
}

/* Its own time counts like a session's, since they inherit the limit. Said again is no harm. */
static void
tell_age(void)
{
	if (clock_cpu_seconds() >= LIMIT_SESSION_CPU / 2)
		report(OLD, 0);
}

/* A stop is the front's to give: by the control socket. */
static void
set_signals(void)
{
	spawn_loop_signals();
	/* Valid signals: these cannot fail. */
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
}

static noreturn void
be_nursery(const struct front_setup *setup)
{
	const struct spawn_loop loop = {
		.control = NURSERY_CONTROL, .run = setup->run_session, .reap = reap,
		.is_short = tell_short, .ordered = tell_age,
	};

	setup->become_nursery();
	set_signals();
	if (spawn_lock() == -1)
		_exit(111);
	report(READY, 0);
	spawn_loop(&loop);
	_exit(0);
}

/* True when its first word says that it lives. */
static bool
is_ready(int control)
{
	struct pollfd ready = { control, POLLIN, 0 };
	struct packet p;

	if (poll(&ready, 1, START_MS) == 0) {
		errno = ETIMEDOUT;
		return false;
	}
	if (packet_recv(control, &p) == 1 && p.letter == READY)
		return true;
	errno = 0; /* what went wrong it has logged itself */
	return false;
}

int
nursery_start(struct nursery *n, const struct front_setup *setup)
{
	int control[2], queue[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) == -1)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, queue) == -1) {
		(void)close(control[0]);
		(void)close(control[1]);
		return -1;
	}
	pid = fork();
	if (pid == 0) {
		/* *n is the front's memory and not ours any more (MADV_DONTFORK). */
		/* Out of the way first: a target may be the other one's source. */
		int high = fcntl(control[1], F_DUPFD_CLOEXEC, 64);

		log_close();
		if (dup2(queue[1], NURSERY_QUEUE) == -1 || high == -1 ||
		    dup2(high, NURSERY_CONTROL) == -1)
			die_temp("start the nursery", errno);
		log_reopen();
		be_nursery(setup);
	}
	(void)close(control[1]);
	(void)close(queue[1]);
	n->pid = pid;
	n->control = control[0];
	n->queue = queue[0];
	if (pid == -1 || !is_ready(n->control)) {
		int err = errno;

		nursery_stop(n);
		errno = err;
		return -1;
	}
	/* The front waits in one place only. */
	(void)fcntl(n->control, F_SETFL, O_NONBLOCK);
	(void)fcntl(n->queue, F_SETFL, O_NONBLOCK);
	return 0;
}

int
nursery_order(struct nursery *n, unsigned sessions)
{
	struct packet p;

	packet_start(&p, SPAWN_ORDER);
	packet_addu(&p, sessions);
	return packet_send(n->control, &p, -1);
}

int
nursery_hear(struct nursery *n, int *sig)
{
	struct packet p;
	struct log_line l;
	uint64_t status;

	int r = packet_recv(n->control, &p);

	if (r == -1 && errno == EAGAIN)
		return 0;
	packet_close_fds(&p); /* none is ever meant for us */
	if (r != 1 || p.n != 1 || !parse_u64(p.field[0], INT32_MAX, &status))
		return -1;
	if (p.letter == SHORT) {
		log_error("fork a session", (int)status);
		return 0;
	}
	if (p.letter == OLD)
		return 2;
	if (p.letter != DIED)
		return -1;
	*sig = WIFSIGNALED((int)status) ? WTERMSIG((int)status) : 0;
	log_start(&l, "session-died");
	if (*sig != 0)
		log_signal(&l, *sig);
	else
		log_number(&l, "exit", (uint64_t)WEXITSTATUS((int)status));
	log_send(&l, LOG_LEVEL_ERROR);
	return 1;
}

void
nursery_stop(struct nursery *n)
{
	(void)close(n->control);
	(void)close(n->queue);
}
