/*
 * The front's loop: an epoll set of listeners, boundaries whose session has not
 * asked for anything yet, keepers, the nursery and signals. See front.h.
 */
#include "front/front.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "front/listen.h"
#include "base/notify.h"
#include "front/nursery.h"
#include "front/pool.h"
#include "front/sources.h"

#define SPARES 8        /* sessions forked ahead; ordered when half are taken */
#define DEATHS 3        /* abnormal ones, then a fresh start */
#define BATCH 64        /* events, and connections accepted, at a time */
#define DRAIN_MS 2000   /* for sessions without a keeper before a fresh start */
#define BOUNDARY_SECONDS 300 /* a session waits so long for an answer */
#define SWEEP_MS 10000
#define SWEEP_GRACE 120 /* seconds past the session cap */

enum kind { LISTENER, WAITING, KEEPER, NURSERY, QUEUE, SIGNALS };

struct conn {
	bool used, kept;     /* kept: a keeper has boundary and connection */
	int boundary, fd;
	int place;           /* in sources */
	int64_t start;       /* clock_ms() */
	int next;            /* free place */
	struct job job;
};

struct front {
	const struct front_setup *setup;
	struct conf *conf;
	int epoll, signals;
	bool accepting, stopping, restarting;
	int64_t deadline;    /* of stopping or restarting */
	int64_t idle_since, last_sweep, last_refusal, last_shortage;
	unsigned n_conns, deaths, count, refusals;
	pid_t last_nursery;  /* the one before this, whose end is still to be seen */
	int spares;          /* sessions ordered and not used yet; below 0: jobs wait */
	int held;            /* a connection whose job found the queue full, or -1 */
	int free;
	struct nursery nursery;
	struct conn conns[LIMIT_CONNECTIONS];
	struct pool pool;
	struct sources sources;
};

static void
watch(struct front *f, int op, int fd, uint32_t events, enum kind kind, int index)
{
	struct epoll_event e = { .events = events };

	e.data.u64 = (uint64_t)kind << 32 | (uint32_t)index;
	if (epoll_ctl(f->epoll, op, fd, &e) == -1)
		log_error("epoll_ctl", errno);
}

static void
set_accepting(struct front *f, bool on)
{
	const struct listeners *l = f->setup->listeners;

	if (f->accepting == on)
		return;
	f->accepting = on;
	for (unsigned i = 0; i < l->n; i++)
		watch(f, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, l->at[i].fd, EPOLLIN, LISTENER,
		      (int)i);
}

/* Sessions that can take one more connection (session-reuse). */
static void
count_ready(struct front *f)
{
	struct packet p;

	for (int i = 0; i < BATCH && packet_recv(f->nursery.queue, &p) == 1; i++) {
		packet_close_fds(&p); /* none is ever meant for us */
		f->spares += p.letter == FRONT_READY && f->spares < LIMIT_CONNECTIONS;
	}
}

static void
order_spares(struct front *f)
{
	if (f->stopping || f->spares > SPARES / 2)
		return;
	count_ready(f);
	if (f->spares > SPARES / 2)
		return; /* none was missing, their word was only late */
	if (nursery_order(&f->nursery, (unsigned)(SPARES - f->spares)) == -1)
		log_error("order sessions", errno);
	else
		f->spares = SPARES;
}

/* Another nursery in the place of this one; -1: it cannot start, and all is as before. */
static int
start_nursery(struct front *f)
{
	struct nursery n;

	if (nursery_start(&n, f->setup) == -1)
		return -1;
	if (f->nursery.pid != 0)
		nursery_stop(&f->nursery);
	f->last_nursery = f->nursery.pid;
	f->nursery = n;
	watch(f, EPOLL_CTL_ADD, f->nursery.control, EPOLLIN, NURSERY, 0);
	watch(f, EPOLL_CTL_ADD, f->nursery.queue,
	      f->held == -1 ? EPOLLIN : EPOLLIN | EPOLLOUT, QUEUE, 0);
	f->spares = 0;
	order_spares(f);
	return 0;
}

/* Crashes: enough of them, and somebody is guessing at the memory's layout. */
static void
count_death(struct front *f, int sig)
{
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGABRT, SIGSYS, SIGTRAP, SIGFPE };
	bool is_crash = false;

	for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
		is_crash |= sig == crashes[i];
	if (!is_crash || ++f->deaths < DEATHS || f->restarting || f->stopping)
		return;
	f->restarting = true;
	f->deadline = clock_ms() + DRAIN_MS;
	set_accepting(f, false);
}

static void
free_conn(struct front *f, int i)
{
	struct conn *c = &f->conns[i];

	sources_leave(&f->sources, c->place);
	if (c->fd != -1)
		(void)close(c->fd); /* shut down by its session already */
	c->used = false;
	c->next = f->free;
	f->free = i;
	if (--f->n_conns == 0)
		f->idle_since = clock_ms();
}

static void
log_end(const struct conn *c)
{
	char client[64];
	struct log_line l;
	struct text t;

	text_init(&t, client, sizeof client);
	ip_text(&t, &c->job.client);
	log_start(&l, "end");
	log_field(&l, "session", c->job.session_id);
	log_field(&l, "client", client);
	log_number(&l, "seconds", (uint64_t)(clock_ms() - c->start) / 1000);
	log_send(&l, LOG_LEVEL_INFO);
}

/*
 * A session without a keeper has closed its boundary. It has shut its connection
 * down itself, so a 421 that still goes out means that it died.
 */
static void
end_waiting(struct front *f, int i)
{
	static const char reply[] = "421 4.3.0 our mistake, please try again later\r\n";
	struct conn *c = &f->conns[i];

	(void)send(c->fd, reply, sizeof reply - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	/* One that closed its boundary only to go on unseen ends here, too. */
	(void)shutdown(c->fd, SHUT_RDWR);
	if (c->boundary != -1) {
		/* A keeper just forked may still hold it: closing alone is not enough. */
		(void)epoll_ctl(f->epoll, EPOLL_CTL_DEL, c->boundary, NULL);
		(void)close(c->boundary); /* nothing was read of it */
	}
	log_end(c);
	free_conn(f, i);
}

/* An idle keeper may have died without our having seen it: then the next one. */
static int
hand_to_keeper(struct front *f, int i)
{
	for (;;) {
		bool is_new;
		int k = pool_take(&f->pool, f->setup, i, &is_new);

		if (k == -1)
			return -1;
		if (is_new)
			watch(f, EPOLL_CTL_ADD, f->pool.at[k].control, EPOLLIN, KEEPER, k);
		if (job_send(f->pool.at[k].control, &f->conns[i].job) == 0)
			return 0;
		pool_remove(&f->pool, k);
		if (is_new)
			return -1;
	}
}

/*
 * The first question: from here on a keeper answers. Our copy of the connection stays,
 * to cut it when the time is up.
 */
static void
attach(struct front *f, int i)
{
	struct conn *c = &f->conns[i];

	watch(f, EPOLL_CTL_DEL, c->boundary, 0, WAITING, i);
	if (hand_to_keeper(f, i) == -1) {
		log_error("hand a session to a keeper", errno);
		end_waiting(f, i);
		return;
	}
	c->kept = true;
	(void)close(c->boundary); /* the keeper's now */
	c->boundary = -1;
}

static void
on_waiting(struct front *f, int i)
{
	/* Length only, no octet. */
	ssize_t len = recv(f->conns[i].boundary, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);

	if (len > 0)
		attach(f, i);
	else if (len == 0 || errno != EAGAIN)
		end_waiting(f, i);
}

static void
on_keeper(struct front *f, int k)
{
	struct packet p;
	int conn = f->pool.at[k].conn;
	int r = packet_recv(f->pool.at[k].control, &p);

	if (r == -1 && errno == EAGAIN)
		return; /* an event of one that had this place before */
	packet_close_fds(&p); /* none is ever meant for us */
	if (r == 1 && p.letter == FRONT_DONE && conn != -1)
		pool_put_back(&f->pool, k);
	else
		pool_remove(&f->pool, k);
	if (conn != -1)
		free_conn(f, conn);
}

static void
log_refusal(struct front *f, const struct ip *ip, const char *why)
{
	char client[64];
	struct log_line l;
	struct text t;
	int64_t now = clock_ms();

	f->refusals++;
	if (now - f->last_refusal < 1000)
		return; /* one line a second tells enough of a flood */
	f->last_refusal = now;
	text_init(&t, client, sizeof client);
	ip_text(&t, ip);
	log_start(&l, "connection-refused");
	log_field(&l, "client", client);
	log_field(&l, "reply", why);
	log_number(&l, "count", f->refusals);
	log_send(&l, LOG_LEVEL_WARNING);
	f->refusals = 0;
}

static void
refuse(struct front *f, int fd, const struct ip *ip, const char *why)
{
	static const char reply[] = "421 4.7.0 too many connections, try again later\r\n";

	(void)send(fd, reply, sizeof reply - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)close(fd);
	log_refusal(f, ip, why);
}

/*
 * Gives the connection to whichever session waits. 0, or -1 with errno: EAGAIN when
 * the queue is full and will have room again.
 */
static int
dispatch(struct front *f, int i)
{
	struct conn *c = &f->conns[i];
	struct job j = c->job;
	struct timeval wait = { BOUNDARY_SECONDS, 0 };
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		return -1;
	/* The session itself may set no option any more. */
	(void)setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	j.boundary = pair[1];
	if (job_send(f->nursery.queue, &j) == -1) {
		int err = errno;

		(void)close(pair[0]);
		(void)close(pair[1]);
		errno = err;
		return -1;
	}
	(void)close(pair[1]); /* the session's now */
	c->boundary = c->job.boundary = pair[0];
	watch(f, EPOLL_CTL_ADD, c->boundary, EPOLLIN, WAITING, i);
	f->spares--;
	order_spares(f);
	return 0;
}

/* What a failed dispatch means for connection i; it is held while the queue is full. */
static void
hold_or_refuse(struct front *f, int i)
{
	struct conn *c = &f->conns[i];

	if (errno == EAGAIN) {
		f->held = i;
		set_accepting(f, false);
		watch(f, EPOLL_CTL_MOD, f->nursery.queue, EPOLLIN | EPOLLOUT, QUEUE, 0);
		return;
	}
	refuse(f, c->fd, &c->job.client, strerror(errno));
	c->fd = -1;
	free_conn(f, i);
}

static void
welcome(struct front *f, int fd, const struct sockaddr_storage *sa, enum service service)
{
	struct conn *c;
	struct ip ip;
	bool is_proxy;
	int place, i = f->free;

	ip_from_sockaddr(&ip, sa);
	if (f->n_conns >= f->conf->connections || i == -1) {
		refuse(f, fd, &ip, "too-many");
		return;
	}
	is_proxy = is_ip_in(&ip, &f->conf->proxies); /* all its clients are one source */
	place = sources_enter(&f->sources, &ip, is_proxy ? UINT64_MAX : f->conf->per_source,
	                      is_proxy ? 0 : f->conf->rate, clock_ms());
	if (place == -1) {
		refuse(f, fd, &ip, "too-many-of-source");
		return;
	}
	c = &f->conns[i];
	f->free = c->next;
	f->n_conns++;
	c->used = true;
	c->kept = false;
	c->boundary = -1;
	c->fd = fd;
	c->place = place;
	c->start = clock_ms();
	c->job = (struct job){ .service = service, .client = ip, .conn = fd };
	job_make_id(c->job.session_id, ++f->count);
	if (dispatch(f, i) == -1)
		hold_or_refuse(f, i);
}

/* One line a second, as for refusals. */
static void
log_accept(struct front *f, int err)
{
	int64_t now = clock_ms();

	if (f->last_shortage != 0 && now - f->last_shortage < 1000)
		return;
	f->last_shortage = now;
	log_error("accept", err);
}

static void
on_listener(struct front *f, int index)
{
	const struct listener *l = &f->setup->listeners->at[index];
	struct sockaddr_storage sa;

	for (unsigned i = 0; i < BATCH && f->accepting; i++) {
		socklen_t len = sizeof sa;
		int fd;

		memset(&sa, 0, sizeof sa.ss_family);
		fd = accept4(l->fd, (struct sockaddr *)&sa, &len, SOCK_CLOEXEC);
		if (fd == -1) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
			    errno == ENOBUFS) {
				log_accept(f, errno);
				(void)poll(NULL, 0, 100); /* not to spin on it */
			}
			return;
		}
		welcome(f, fd, &sa, l->service);
	}
}

/* Room in the queue again, or a session that can take one more connection. */
static void
on_queue(struct front *f, uint32_t events)
{
	int i;

	if (f->stopping)
		return; /* an event from before */
	if (events & EPOLLIN)
		count_ready(f);
	if (!(events & EPOLLOUT) || f->held == -1)
		return;
	i = f->held;
	f->held = -1;
	if (dispatch(f, i) == -1)
		hold_or_refuse(f, i);
	if (f->held != -1)
		return;
	watch(f, EPOLL_CTL_MOD, f->nursery.queue, EPOLLIN, QUEUE, 0);
	set_accepting(f, !f->stopping && !f->restarting);
}

static void
on_nursery(struct front *f)
{
	int sig;

	if (f->stopping)
		return; /* an event from before */
	switch (nursery_hear(&f->nursery, &sig)) {
	case 0:
		return;
	case 1:
		f->spares--; /* perhaps one that waited: one too many does no harm */
		order_spares(f);
		count_death(f, sig);
		return;
	case 2:
		break;
	default:
		log_error("the nursery is gone, starting another", 0);
		break;
	}
	if (start_nursery(f) == -1)
		die_temp("start the nursery", errno);
}

static void
log_conf_error(void *context, const char *message)
{
	(void)context;
	log_error(message, 0);
}

/* For each connection itself, its boundary or its keeper, and one for the way there. */
static void
raise_file_limit(const struct front *f)
{
	rlim_t wanted = 3 * f->conf->connections + 64;
	rlim_t hard;
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == -1 || r.rlim_cur >= wanted)
		return;
	hard = r.rlim_max;
	r.rlim_cur = wanted;
	if (hard < wanted)
		r.rlim_max = wanted; /* with CAP_SYS_RESOURCE */
	if (setrlimit(RLIMIT_NOFILE, &r) == 0)
		return;
	log_error("LimitNOFILE is below three times limits/connections", errno);
	r.rlim_cur = r.rlim_max = hard;
	(void)setrlimit(RLIMIT_NOFILE, &r); /* as much as there is */
}

/*
 * A session and its keeper go by one configuration: who has none yet gets it now. Then
 * all that follows is new, or, where no session can live under it, stays old.
 */
static void
take_configuration(struct front *f, const struct conf *fresh)
{
	static struct conf old;

	for (int i = 0; i < LIMIT_CONNECTIONS; i++)
		if (f->conns[i].used && !f->conns[i].kept && i != f->held)
			attach(f, i);
	old = *f->conf;
	*f->conf = *fresh;
	if (start_nursery(f) == -1) {
		*f->conf = old;
		log_error("no session can start: the old configuration stays", errno);
		return;
	}
	raise_file_limit(f);
	pool_retire(&f->pool);
	log_notice("configuration read again");
}

static void
reload(struct front *f)
{
	static struct conf fresh;

	if (f->stopping)
		return;
	notify("RELOADING=1");
	if (conf_load(&fresh, f->conf->file, log_conf_error, NULL) == 0)
		take_configuration(f, &fresh);
	else
		log_error("the new configuration has errors: the old one stays", 0);
	notify("READY=1");
}

static void
stop(struct front *f)
{
	if (f->stopping)
		return;
	f->stopping = true;
	watch(f, EPOLL_CTL_DEL, f->nursery.control, 0, NURSERY, 0);
	nursery_stop(&f->nursery);
	f->deadline = clock_ms() + (int64_t)f->conf->stop * 1000;
	set_accepting(f, false);
	/* Refused at once, or the service manager's, who has them too: nobody waits for us. */
	for (unsigned i = 0; i < f->setup->listeners->n; i++)
		(void)close(f->setup->listeners->at[i].fd);
	if (f->held != -1)
		end_waiting(f, f->held);
	f->held = -1;
	notify("STOPPING=1");
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
		count_death(f, WTERMSIG(status));
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
		reload(f);
		break;
	case SIGCHLD:
		reap(f);
		break;
	default:
		stop(f);
		break;
	}
}

/* Its session will end. RFC 5321 3.8: it hears why, unless a reply is under way. */
static void
cut(const struct conn *c)
{
	static const char reply[] = "421 4.3.2 closing, please try again later\r\n";

	if (!c->kept)
		(void)send(c->fd, reply, sizeof reply - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)shutdown(c->fd, SHUT_RDWR);
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
		for (int i = 0; i < LIMIT_CONNECTIONS; i++) {
			const struct conn *c = &f->conns[i];

			if (!c->used)
				continue;
			waiting |= !c->kept;
			if (c->start < oldest - SWEEP_GRACE * 1000 && !c->kept)
				end_waiting(f, i); /* its session heeds nothing */
			else if (c->start < oldest || (late && (f->stopping || !c->kept)))
				cut(c);
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
			on_listener(f, index);
		break;
	case WAITING:
		/* Not of one that had this place before, nor of one that is held. */
		if (f->conns[index].used && !f->conns[index].kept &&
		    f->conns[index].boundary != -1)
			on_waiting(f, index);
		break;
	case KEEPER:
		if (f->pool.at[index].control != -1)
			on_keeper(f, index);
		break;
	case NURSERY:
		on_nursery(f);
		break;
	case QUEUE:
		on_queue(f, e->events);
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
	watch(f, EPOLL_CTL_ADD, f->signals, EPOLLIN, SIGNALS, 0);
}

static void
start_afresh(struct front *f)
{
	log_notice("several processes died: starting afresh");
	listen_hand_over(f->setup->listeners);
	/* Signals stay blocked: one that comes now waits for the program's next life. */
	(void)execv("/proc/self/exe", f->setup->argv);
	die_temp("execute /proc/self/exe", errno);
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
	struct epoll_event events[BATCH];
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
	raise_file_limit(f);
	open_signals(f);
	if (start_nursery(f) == -1)
		die_temp("start the nursery", errno);
	f->idle_since = f->last_sweep = clock_ms();
	set_accepting(f, true);
	notify("READY=1");
	while (!tick(f)) {
		int n = epoll_wait(f->epoll, events, BATCH, wait_ms(f));

		for (int i = 0; i < n; i++)
			handle(f, &events[i]);
	}
	if (f->restarting && !f->stopping)
		start_afresh(f);
	return 0;
}
