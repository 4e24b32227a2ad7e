/*
 * The front's loop: an epoll set of listeners, boundaries whose session has not
 * asked for anything yet, keepers, the nursery and signals. See front.h.
 */
#include "front/state.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"

#define DEATHS 3        /* abnormal ones, then a fresh start */
#define DRAIN_MS 2000   /* for sessions without a keeper before a fresh start */
#define SWEEP_MS 10000
#define SWEEP_GRACE 120 /* seconds past the session cap */

void
front_watch(struct front *f, int op, int fd, uint32_t events, enum kind kind, int index)
{
	struct epoll_event e = { .events = events };

	e.data.u64 = (uint64_t)kind << 32 | (uint32_t)index;
	if (epoll_ctl(f->epoll, op, fd, &e) == -1)
		log_error("epoll_ctl", errno);
}

void
front_accept(struct front *f, bool on)
{
	const struct listeners *l = f->setup->listeners;

	if (f->accepting == on)
		return;
	f->accepting = on;
	for (unsigned i = 0; i < l->n; i++)
		front_watch(f, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, l->at[i].fd, EPOLLIN, LISTENER,
		      (int)i);
}

/* Crashes: enough of them, and somebody is guessing at the memory's layout. */
void
front_count_death(struct front *f, int sig)
{
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGABRT, SIGSYS, SIGTRAP, SIGFPE };
	bool is_crash = false;

	for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
		is_crash |= sig == crashes[i];
	if (!is_crash || ++f->deaths < DEATHS || f->restarting || f->stopping)
		return;
	f->restarting = true;
	f->deadline = clock_ms() + DRAIN_MS;
	front_accept(f, false);
}

static void
reap(struct front *f)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct log_line l;

		if (!WIFSIGNALED(status))
			continue;
		log_start(&l, pid == f->nursery.pid || pid == f->last_nursery ?
		              "nursery-died" : "keeper-died");
		log_signal(&l, WTERMSIG(status));
		log_send(&l, LOG_LEVEL_ERROR);
		front_count_death(f, WTERMSIG(status));
	}
}

static void
on_signal(struct front *f)
{
	struct signalfd_siginfo info;

	if (read(f->signals, &info, sizeof info) != sizeof info)
		return;
	switch (info.ssi_signo) {
	case SIGHUP:
		change_reload(f);
		break;
	case SIGCHLD:
		reap(f);
		break;
	default:
		change_stop(f);
		break;
	}
}

static void
renew_sessions(struct front *f)
{
	if (f->setup->is_stale() && spares_start(f) == -1)
		log_error("no session can start: those of before stay", errno);
}

/* What the clock alone brings about. True when the loop is to end. */
static bool
tick(struct front *f)
{
	int64_t now = clock_ms();
	int64_t oldest = now - (int64_t)(f->conf->session + SWEEP_GRACE) * 1000;
	bool late = (f->stopping || f->restarting) && now >= f->deadline;
	bool waiting = false;

	if (now - f->last_sweep >= SWEEP_MS || f->stopping || f->restarting) {
		f->last_sweep = now;
		if (!f->stopping && !f->restarting)
			renew_sessions(f);
		for (int i = 0; i < LIMIT_CONNECTIONS; i++) {
			const struct conn *c = &f->conns[i];

			if (!c->used)
				continue;
			waiting |= !c->kept;
			if (c->start < oldest - SWEEP_GRACE * 1000 && !c->kept)
				connection_end(f, i); /* its session heeds nothing */
			else if (c->start < oldest || (late && (f->stopping || !c->kept)))
				connection_cut(c);
		}
	}
	if (f->stopping)
		return f->n_conns == 0 || now >= f->deadline + DRAIN_MS;
	if (f->restarting)
		return !waiting || late;
	return f->setup->may_idle_out && f->n_conns == 0 &&
	       now - f->idle_since >= (int64_t)f->conf->idle * 1000;
}

static int
wait_ms(const struct front *f)
{
	int64_t left;

	if (f->stopping || f->restarting)
		return 100;
	if (f->n_conns > 0)
		return SWEEP_MS;
	if (!f->setup->may_idle_out)
		return -1;
	left = f->idle_since + (int64_t)f->conf->idle * 1000 - clock_ms();
	return left < 0 ? 0 : left > SWEEP_MS ? SWEEP_MS : (int)left;
}

static void
handle(struct front *f, const struct epoll_event *e)
{
	int index = (int)(e->data.u64 & UINT32_MAX);

	switch ((enum kind)(e->data.u64 >> 32)) {
	case LISTENER:
		if (f->accepting)
			connection_on_listener(f, index);
		break;
	case WAITING:
		/* Not of one that had this place before, nor of one that is held. */
		if (f->conns[index].used && !f->conns[index].kept &&
		    f->conns[index].boundary != -1)
			connection_on_boundary(f, index);
		break;
	case KEEPER:
		if (f->pool.at[index].control != -1)
			connection_on_keeper(f, index);
		break;
	case NURSERY:
		spares_on_nursery(f);
		break;
	case SIGNALS:
		on_signal(f);
		break;
	}
}

static void
open_signals(struct front *f)
{
	static const int wanted[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
		(void)sigaddset(&set, wanted[i]);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	f->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (f->signals == -1)
		die_temp("signalfd", errno);
	front_watch(f, EPOLL_CTL_ADD, f->signals, EPOLLIN, SIGNALS, 0);
}

/*
 * Megabytes that no child may inherit: every page of them would be copied, in
 * tables at least, by every fork.
 */
static struct front *
make_front(void)
{
	void *p = mmap(NULL, sizeof(struct front), PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die_temp("mmap", errno);
	if (madvise(p, sizeof(struct front), MADV_DONTFORK) == -1)
		log_error("madvise", errno); /* slower, no worse */
	return p;
}

int
front_run(const struct front_setup *setup)
{
	struct epoll_event events[FRONT_BATCH];
	struct front *f = make_front();

	f->setup = setup;
	f->conf = setup->conf;
	f->held = -1;
	f->free = -1;
	for (int i = LIMIT_CONNECTIONS - 1; i >= 0; i--) {
		f->conns[i].next = f->free;
		f->free = i;
	}
	pool_init(&f->pool);
	f->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (f->epoll == -1)
		die_temp("epoll_create1", errno);
	change_file_limit(f);
	open_signals(f);
	if (spares_start(f) == -1)
		die_temp("start the nursery", errno);
	f->idle_since = f->last_sweep = clock_ms();
	front_accept(f, true);
	notify("READY=1");
	while (!tick(f)) {
		int n = epoll_wait(f->epoll, events, FRONT_BATCH, wait_ms(f));

		for (int i = 0; i < n; i++)
			handle(f, &events[i]);
	}
	if (f->restarting && !f->stopping)
		change_afresh(f);
	return 0;
}
