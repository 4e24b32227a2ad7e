/* See ancestor.h. Reads orders only; never an octet of the network. */
#include "base/ancestor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fds.h"
#include "base/gate.h"
#include "base/log.h"
#include "base/num.h"
#include "base/packet.h"
#include "base/rewind.h"
#include "base/sandbox.h"

#define LOG (SANDBOX_KEPT - 1)
#define CONTROL SANDBOX_KEPT
#define MAPS (SANDBOX_KEPT + 1)
#define BUSY_MS 20
#define RETRY_MS 100
#define SIGNALS_MAX 1000 /* SIGPIPE, mostly: one for each write to who has gone */

/* On the stack, or in memory of its own: a fork would make static data pages copied. */
struct ancestor {
	bool is_short;
	bool open;              /* control: the master is there */
	bool old;               /* and has been told that we are; with each order, again */
	int owed;               /* the slot of a child that can't be forked for now, or -1 */
	unsigned alive, high;   /* children; slots below `high` have been used */
	struct {
		pid_t pid;          /* 0 = none */
		bool born;          /* its first stop is over */
		unsigned signals;   /* that have stopped it since it last started */
	} child[ANCESTOR_CHILDREN];
};

static void
report(char letter, uint64_t first, uint64_t second)
{
	struct packet p;

	packet_start(&p, letter);
	packet_addu(&p, first);
	packet_addu(&p, second);
	/* Should the master be gone, the loop will see. */
	(void)packet_send(CONTROL, &p, -1);
}

/* No order any more, and the master sees it; children go when they are done. */
static void
leave(struct ancestor *a)
{
	if (a->open)
		(void)close(CONTROL);
	a->open = false;
}

/* It takes what is left of RLIMIT_CPU along, whoever has used it. */
static bool
is_used_up(pid_t pid)
{
	/* clock_getcpuclockid(3), without its look whether pid is there. */
	clockid_t clock = (clockid_t)((~(unsigned)pid << 3) | 2);
	struct timespec used;

	return clock_gettime(clock, &used) == 0 && used.tv_sec >= LIMIT_SESSION_CPU / 2;
}

/* Its own time counts like a child's, since they inherit the limit. */
static void
look_at_age(struct ancestor *a)
{
	if (clock_cpu_seconds() < LIMIT_SESSION_CPU / 2)
		return;
	a->old = true;
	report(ANCESTOR_OLD, 0, 0);
}

static void
on_stop(struct ancestor *a, unsigned slot, int sig)
{
	if (sig == SIGTRAP && is_used_up(a->child[slot].pid)) {
		rewind_signal(a->child[slot].pid, SIGKILL);
		return;
	}
	/* Each costs us as much as it. */
	if (sig != SIGTRAP && ++a->child[slot].signals > SIGNALS_MAX)
		sig = SIGKILL;
	if (!spawn_stopped(a->child[slot].pid, sig))
		return;
	a->child[slot].signals = 0;
	report(a->child[slot].born ? ANCESTOR_READY : ANCESTOR_BORN, slot, 0);
	a->child[slot].born = true;
	if (!a->old)
		look_at_age(a);
}

static void
reap(struct ancestor *a)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		unsigned slot = 0;

		while (slot < a->high && a->child[slot].pid != pid)
			slot++;
		if (slot == a->high)
			continue; /* one that was only a try */
		if (WIFSTOPPED(status)) {
			on_stop(a, slot, WSTOPSIG(status));
			continue;
		}
		a->child[slot].pid = 0;
		a->alive--;
		report(ANCESTOR_ENDED, slot, (uint64_t)status);
		/* One that was never born: tracing is forbidden by now. The next ancestor knows. */
		if (!a->child[slot].born)
			leave(a);
	}
}

/* What can't be had now stays owed, and is tried again. */
static void
fork_owed(struct ancestor *a)
{
	pid_t pid = spawn_child();

	if (pid == -1) {
		if (!a->is_short)
			report(ANCESTOR_SHORT, (uint64_t)errno, 0);
		a->is_short = true;
		return;
	}
	gate_close(ANCESTOR_JOBS); /* the child's */
	a->is_short = false;
	a->child[a->owed].pid = pid;
	a->child[a->owed].signals = 0;
	a->child[a->owed].born = !spawn_rewinds();
	if (!spawn_rewinds())
		report(ANCESTOR_BORN, (uint64_t)a->owed, 0);
	a->alive++;
	if ((unsigned)a->owed >= a->high)
		a->high = (unsigned)a->owed + 1;
	a->owed = -1;
}

/* False: the end, or a packet that is none of ours. */
static bool
take_order(struct ancestor *a)
{
	struct packet p;
	uint64_t slot;

	if (packet_recv(CONTROL, &p) != 1 || p.letter != ANCESTOR_ORDER || p.n != 1 ||
	    !parse_u64(p.field[0], ANCESTOR_CHILDREN - 1, &slot) || a->child[slot].pid != 0 ||
	    p.fd[0] != ANCESTOR_JOBS || p.fd[1] != -1)
		return false;
	a->owed = (int)slot;
	look_at_age(a);
	return true;
}

/*
 * Where children are forked for each job, those that have ended are reaped in batches when
 * there is much to do; one that waits to be rewound is not kept waiting.
 */
static bool
has_order(struct ancestor *a, bool *busy)
{
	static const struct timespec soon = { 0, BUSY_MS * 1000000 };
	static const struct timespec retry = { 0, RETRY_MS * 1000000 };
	struct pollfd p = { a->open && a->owed == -1 ? CONTROL : -1, POLLIN, 0 };
	bool batch = *busy && !spawn_rewinds();
	sigset_t none;
	int n;

	(void)sigemptyset(&none); /* cannot fail */
	n = ppoll(&p, 1, a->owed != -1 ? &retry : batch ? &soon : NULL, batch ? NULL : &none);
	*busy = n > 0;
	return n > 0;
}

static void
serve(struct ancestor *a)
{
	bool busy = false;

	while (a->open || a->alive > 0) {
		bool ordered = has_order(a, &busy);

		reap(a);
		if (ordered && !take_order(a))
			leave(a);
		if (a->owed != -1)
			fork_owed(a);
	}
}

static void
on_child(int sig)
{
	(void)sig; /* only there to interrupt ppoll */
}

/* SIGCHLD is heard only while the loop waits; a stop is the master's to give. */
static void
set_signals(void)
{
	struct sigaction on = { .sa_handler = on_child };
	sigset_t child;

	/* Valid signals and sets: these cannot fail. */
	(void)sigemptyset(&child);
	(void)sigaddset(&child, SIGCHLD);
	(void)sigprocmask(SIG_SETMASK, &child, NULL);
	(void)sigaction(SIGCHLD, &on, NULL);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
}

int
ancestor_settle(int control)
{
	int fds[4];
	unsigned n = 4;

	log_close();
	fds[2] = fcntl(control, F_DUPFD_CLOEXEC, MAPS + 1);
	fds[3] = rewind_open();
	fds[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[1] = open("/dev/null", O_RDWR | O_CLOEXEC);
	n -= fds[3] == -1;
	if (fds[0] == -1 || fds[1] == -1 || fds[2] == -1 ||
	    fds_settle(fds, n, ANCESTOR_JOBS) == -1)
		return -1;
	(void)close(LOG);
	log_reopen();
	if (fcntl(LOG, F_GETFD) == -1 && fcntl(ANCESTOR_JOBS, F_DUPFD_CLOEXEC, LOG) != LOG)
		return -1;
	return 0;
}

bool
ancestor_run(struct spawn *s)
{
	struct ancestor *a = mmap(NULL, sizeof *a, PROT_READ | PROT_WRITE,
	                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (a == MAP_FAILED || madvise(a, sizeof *a, MADV_DONTFORK) == -1 ||
	    syscall(SYS_close_range, MAPS + 1, ~0U, 0) == -1)
		return false;
	a->open = true;
	a->owed = -1;
	set_signals();
	s->maps = fcntl(MAPS, F_GETFD) == -1 ? -1 : MAPS;
	if (spawn_lock(s) == -1)
		return false;
	gate_close(ANCESTOR_JOBS); /* so that what an order brings has this number */
	report(ANCESTOR_LIVES, 0, 0);
	serve(a);
	return true;
}
