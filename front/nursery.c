/* See nursery.h. The nursery reads packets of the front only; never a client's octet. */
#include "front/nursery.h"

#include <errno.h>
#include <poll.h>
#include <stdnoreturn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ancestor.h"
#include "base/log.h"
#include "base/packet.h"

#define START_MS 30000 /* for a nursery to open what it needs */
#define SPARES 8       /* sessions forked ahead */
#define IDLE 32        /* and those that have served and wait */
#define EXIT_MAX 1     /* sessions end with 0 or 1; with more where something of ours is wrong */

static noreturn void
be_nursery(const struct front_setup *setup, int control)
{
	/* In a session: connection, boundary, message file. */
	struct spawn s = { .run = setup->run_session, .descriptors = 3,
	                   .once = setup->conf->session_reuse == 1,
	                   .hot = { setup->session_hot } };

	/* What the front keeps of all sessions is not in our memory (MADV_DONTFORK). */
	if (ancestor_settle(control) == -1)
		die_temp("start the nursery", errno);
	setup->become_nursery();
	if (!ancestor_run(&s))
		_exit(111);
	_exit(0);
}

/* True when its first word says that it lives. */
static bool
is_alive(int control)
{
	struct pollfd ready = { control, POLLIN, 0 };
	struct packet p;

	if (poll(&ready, 1, START_MS) == 0) {
		errno = ETIMEDOUT;
		return false;
	}
	if (packet_recv(control, &p) == 1 && p.letter == ANCESTOR_LIVES)
		return true;
	errno = 0; /* what went wrong it has logged itself */
	return false;
}

int
nursery_start(struct nursery *n, const struct front_setup *setup)
{
	struct brood_setup b = { .spares = SPARES, .idle = IDLE,
	                         .uses = setup->conf->session_reuse };
	int control[2];
	int err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) == -1)
		return -1;
	n->pid = fork();
	if (n->pid == 0)
		be_nursery(setup, control[1]);
	(void)close(control[1]);
	b.control = control[0];
	if (n->pid != -1 && is_alive(control[0]) && (n->sessions = brood_new(&b)) != NULL)
		return 0;
	err = errno;
	(void)close(control[0]); /* its end, should it live */
	errno = err;
	return -1;
}

static int
send_job(int jobs, const void *job)
{
	return job_send(jobs, job);
}

int
nursery_give(struct nursery *n, const struct job *j)
{
	return brood_give(n->sessions, send_job, j) == -1 ? -1 : 0;
}

int
nursery_log_death(int status)
{
	struct log_line l;
	int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	if (sig == 0 && WEXITSTATUS(status) <= EXIT_MAX)
		return 0;
	log_start(&l, "session-died");
	if (sig != 0)
		log_signal(&l, sig);
	else
		log_number(&l, "exit", (uint64_t)WEXITSTATUS(status));
	log_send(&l, LOG_LEVEL_ERROR);
	return sig;
}

void
nursery_stop(struct nursery *n)
{
	brood_free(n->sessions);
}
