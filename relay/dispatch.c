/* See dispatch.h. One loop: words come in, domains go to runners, children end. */
#include "relay/dispatch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/packet.h"
#include "relay/control.h"
#include "relay/dispatch_own.h"
#include "relay/queue.h"
#include "relay/schedule.h"

#define STOP_MS 60000  /* for runners after SIGTERM */

static volatile sig_atomic_t must_stop;

static void
on_signal(int sig)
{
	if (sig != SIGCHLD)
		must_stop = 1;
}

/* Signals come only while the loop waits. */
static void
catch_signals(struct dispatch *d)
{
	static const int wanted[] = { SIGTERM, SIGINT, SIGCHLD };
	struct sigaction on = { .sa_handler = on_signal };
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
		(void)sigaddset(&set, wanted[i]);
	(void)sigprocmask(SIG_BLOCK, &set, &d->outside);
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
		(void)sigdelset(&d->outside, wanted[i]);
		(void)sigaction(wanted[i], &on, NULL);
	}
	(void)signal(SIGPIPE, SIG_IGN); /* a valid signal */
}

/* -- runners ------------------------------------------------------------------------------------ */

static void
leave_seat(struct dispatch *d, struct runner_seat *s)
{
	if (s->control != -1)
		(void)close(s->control); /* tells it to end */
	s->control = -1;
	s->pid = 0;
	d->n_busy -= s->busy;
	s->busy = false;
}

static bool
give_domain(struct dispatch *d, struct runner_seat *s)
{
	static struct packet p;

	packet_start(&p, CONTROL_RUN);
	packet_add(&p, s->domain);
	packet_add(&p, s->how);
	packet_add(&p, s->id);
	s->share = dispatch_share(d, s);
	packet_addu(&p, s->share);
	if (packet_send(s->control, &p, -1) == -1) {
		log_error("ask a runner", errno);
		return false;
	}
	s->busy = true;
	s->turned = false;
	d->n_busy++;
	return true;
}

static void
assign_turned(struct dispatch *d)
{
	struct runner_seat *s;

	while ((s = dispatch_turn_seat(d)) != NULL) {
		if (s->pid == 0 && !dispatch_start_runner(d, s))
			return; /* it waits, and is given up in time */
		if (!dispatch_give_turn(d, s))
			leave_seat(d, s);
	}
}

/* Idle ones first, then as many more as may be. */
static void
assign(struct dispatch *d)
{
	static struct runner_seat wanted;

	assign_turned(d);
	while (d->n_busy < d->n_seats && dispatch_take(d, &wanted)) {
		struct runner_seat *s = dispatch_seat(d, wanted.way);

		if (s->pid == 0 && !dispatch_start_runner(d, s))
			return; /* the timer comes again */
		memcpy(s->domain, wanted.domain, sizeof s->domain);
		memcpy(s->how, wanted.how, sizeof s->how);
		memcpy(s->id, wanted.id, sizeof s->id);
		s->tries = wanted.tries;
		s->way = wanted.way;
		if (!give_domain(d, s))
			leave_seat(d, s);
	}
	dispatch_tell_shares(d);
}

static void
say_busy(const char *domain)
{
	struct log_line l;

	log_start(&l, "notice");
	log_field(&l, "what", "another run is at this domain's queue");
	log_field(&l, "domain", domain);
	log_send(&l, LOG_LEVEL_INFO);
}

static bool
on_done(struct dispatch *d, struct runner_seat *s, const struct packet *p)
{
	if (p->n != 1 || !s->busy)
		return false;
	s->busy = false;
	d->n_busy--;
	if (s->turned)
		return true;
	/* What was told of while the other run read its directory is not to wait for long. */
	if (p->field[0][0] == DONE_BUSY && (d->setup->n_doors > 0 || d->setup->feed != -1) &&
	    s->tries < BUSY_TRIES)
		dispatch_add(d, s->domain, s->how, s->id, s->tries + 1);
	else if (p->field[0][0] == DONE_BUSY)
		say_busy(s->domain);
	return true;
}

static bool
answer_report(struct runner_seat *s, enum control_reported reported)
{
	static struct packet p;

	s->spool = 0;
	packet_start(&p, CONTROL_REPORTED);
	packet_addc(&p, (char)reported);
	return packet_send(s->control, &p, -1) == 0;
}

static bool
on_report(struct dispatch *d, struct runner_seat *s, struct packet *p)
{
	int message = p->fd[0], envelope = p->fd[1];

	if (message == -1 || envelope == -1 || s->spool != 0 || p->n != 1)
		return false;
	p->fd[0] = p->fd[1] = -1;
	s->spool_option = strcmp(p->field[0], CONTROL_TLS) == 0    ? "-r" :
	                  strcmp(p->field[0], CONTROL_QUEUED) == 0 ? "-e" : NULL;
	return dispatch_start_spool(d, s, message, envelope) || answer_report(s, REPORTED_LATER);
}

static void
serve_runner(struct dispatch *d, struct runner_seat *s)
{
	static struct packet p;
	int r = packet_recv(s->control, &p);
	bool good = false;

	if (r == 1 && p.letter == CONTROL_SENDER && p.fd[0] != -1 && p.fd[1] == -1) {
		dispatch_start_sender(d, p.fd[0]);
		p.fd[0] = -1;
		good = true;
	} else if (r == 1 && p.letter == CONTROL_REPORT) {
		good = on_report(d, s, &p);
	} else if (r == 1 && p.letter == CONTROL_DONE) {
		good = on_done(d, s, &p);
	}
	packet_close_fds(&p);
	if (good)
		return;
	if (r == 1)
		log_notice("a runner broke the form of the dialogue");
	leave_seat(d, s);
}

/* -- children --------------------------------------------------------------------------------------- */

static enum control_reported
reported(int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return REPORTED_YES;
	/* qmail-queue's codes: 11 to 40 are permanent. */
	if (WIFEXITED(status) && WEXITSTATUS(status) >= 11 && WEXITSTATUS(status) <= 40)
		return REPORTED_NEVER;
	return REPORTED_LATER;
}

static void
log_death(const char *event, int status)
{
	struct log_line l;

	log_start(&l, event);
	if (WIFSIGNALED(status))
		log_signal(&l, WTERMSIG(status));
	else
		log_number(&l, "exit", (uint64_t)WEXITSTATUS(status));
	log_send(&l, LOG_LEVEL_ERROR);
}

static void
reap(struct dispatch *d)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct runner_seat *s = d->seats, *end = d->seats + d->n_seats;

		while (s < end && s->pid != pid && s->spool != pid)
			s++;
		if (s < end && s->spool == pid) {
			if (status != 0)
				log_death("spool-failed", status);
			if (!answer_report(s, reported(status)))
				leave_seat(d, s);
		} else if (status != 0) {
			log_death(s < end ? "runner-died" : pid == d->tidier ? "tidier-died" :
			          "sender-died", status);
		}
		if (pid == d->tidier)
			d->tidier = 0;
		if (s < end && s->pid == pid)
			leave_seat(d, s);
	}
}

static void
check_deadlines(struct dispatch *d)
{
	int64_t now = clock_ms();

	for (unsigned i = 0; i < d->n_seats; i++)
		if (d->seats[i].spool != 0 && d->seats[i].spool_until <= now)
			(void)kill(d->seats[i].spool, SIGKILL); /* reap() answers */
	if (d->tidier != 0 && d->tidier_until <= now)
		(void)kill(d->tidier, SIGKILL);
}

/* -- the loop ------------------------------------------------------------------------------------------- */

static bool
is_listening(const struct dispatch *d)
{
	return !must_stop && !d->gone && (d->setup->n_doors > 0 || d->setup->feed != -1);
}

static bool
has_work(const struct dispatch *d)
{
	return d->n_busy > 0 || (!must_stop && (d->n_pending > 0 || d->n_turned > 0 ||
	                                        d->scan != NULL || d->passed_over ||
	                                        d->tidier != 0));
}

static void
tell_runners_to_stop(struct dispatch *d)
{
	if (d->stop_at != 0)
		return;
	notify("STOPPING=1");
	d->stop_at = clock_ms() + STOP_MS;
	for (unsigned i = 0; i < d->n_seats; i++)
		if (d->seats[i].busy)
			(void)kill(d->seats[i].pid, SIGTERM); /* it ends what it is at */
}

static int64_t
wait_ms(const struct dispatch *d)
{
	int64_t now = clock_ms(), until = now + 60000;

	if (d->stop_at != 0)
		until = d->stop_at;
	else if (!has_work(d))
		until = d->idle_since + LIMIT_FLUSH_LINGER * 1000;
	if (d->setup->scan == DISPATCH_DUE && d->scan == NULL && d->scan_again < until &&
	    d->n_busy > 0 && d->stop_at == 0)
		until = d->scan_again;
	if (d->n_turned > 0 && d->turned[0].until < until)
		until = d->turned[0].until;
	if (d->tidier != 0 && d->tidier_until < until)
		until = d->tidier_until;
	for (unsigned i = 0; i < d->n_pending; i++)
		if (d->pending[i].after > now && d->pending[i].after < until)
			until = d->pending[i].after;
	for (unsigned i = 0; i < d->n_seats; i++)
		if (d->seats[i].spool != 0 && d->seats[i].spool_until < until)
			until = d->seats[i].spool_until;
	return until > now ? until - now : 0;
}

static void
wait_once(struct dispatch *d)
{
	static struct pollfd p[LIMIT_RUNNERS + DISPATCH_DOORS + 1];
	const struct dispatch_setup *setup = d->setup;
	/* Full: the words wait in their socket. */
	bool listen = is_listening(d) && d->n_pending < PENDING_MAX && d->n_turned < TURNED_MAX;
	int64_t ms = wait_ms(d);
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };
	unsigned n = d->n_seats;

	for (unsigned i = 0; i < d->n_seats; i++)
		p[i] = (struct pollfd){ d->seats[i].pid != 0 ? d->seats[i].control : -1, POLLIN, 0 };
	for (unsigned i = 0; i < setup->n_doors; i++)
		p[n++] = (struct pollfd){ listen ? setup->doors[i] : -1, POLLIN, 0 };
	p[n++] = (struct pollfd){ listen ? setup->feed : -1, POLLIN, 0 };
	if (ppoll(p, n, &ts, &d->outside) == -1 && errno != EINTR)
		die_temp("ppoll", errno);
	reap(d);
	check_deadlines(d);
	for (unsigned i = 0; i < d->n_seats; i++)
		if (p[i].revents != 0 && d->seats[i].control == p[i].fd && p[i].fd != -1)
			serve_runner(d, &d->seats[i]);
	for (unsigned i = 0; i < setup->n_doors; i++)
		if (p[d->n_seats + i].revents != 0)
			dispatch_read_door(d, setup->doors[i]);
	if (p[n - 1].revents != 0)
		dispatch_read_feed(d);
}

static void
tell_status(const struct dispatch *d)
{
	static unsigned told = UINT32_MAX;
	char buf[64];
	struct text t;

	if (d->n_busy == told)
		return;
	told = d->n_busy;
	text_init(&t, buf, sizeof buf);
	text_add(&t, "STATUS=");
	text_addu(&t, told);
	text_add(&t, " domains being sent to");
	notify(buf);
}

static void
start(struct dispatch *d)
{
	const struct dispatch_setup *setup = d->setup;

	d->router = setup->router;
	d->n_seats = (unsigned)setup->conf->domains_at_once;
	for (unsigned i = 0; i < d->n_seats; i++)
		d->seats[i].control = -1;
	for (char *const *name = setup->domains; name != NULL && *name != NULL; name++)
		dispatch_add(d, *name, setup->now ? CONTROL_NOW : CONTROL_NAME, "", 0);
	if (setup->scan != DISPATCH_NONE)
		dispatch_scan(d);
}

int
dispatch_run(const struct dispatch_setup *setup)
{
	static struct dispatch d;

	d.setup = setup;
	catch_signals(&d);
	start(&d);
	d.idle_since = clock_ms();
	notify("READY=1");
	for (;;) {
		d.stop = must_stop != 0;
		dispatch_scan_again(&d);
		dispatch_drop_turns(&d);
		assign(&d);
		tell_status(&d);
		if (has_work(&d))
			d.idle_since = clock_ms();
		else if (!is_listening(&d) ||
		         clock_ms() - d.idle_since >= LIMIT_FLUSH_LINGER * 1000)
			break;
		if (must_stop)
			tell_runners_to_stop(&d);
		if (d.stop_at != 0 && clock_ms() >= d.stop_at)
			break; /* they are safe to kill: DESIGN.md */
		wait_once(&d);
	}
	notify("STOPPING=1");
	return 0;
}
