/*
 * See runner.h: one domain's run from lock to schedule. Messages are read one at a time, one
 * ahead of the connections that are busy; so neither the queue's nor a message's size is
 * anywhere in memory.
 */
#include "relay/runner.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "relay/control.h"
#include "relay/runner_run.h"

static volatile sig_atomic_t must_stop;

static void
on_term(int sig)
{
	(void)sig;
	must_stop = 1;
}

/* -- messages ---------------------------------------------------------------------------------- */

static struct work *
free_work(struct run *r)
{
	for (unsigned i = 0; i < r->n_works; i++)
		if (!r->works[i].used)
			return &r->works[i];
	return NULL; /* there is one more than connections */
}

static bool
has_due(const struct run *r, const struct envelope *e)
{
	time_t now = time(NULL);

	for (unsigned i = 0; i < e->n && !run_is_early(e, now); i++)
		if (run_is_due(r, &e->to[i], now))
			return true;
	return false;
}

/* Loads the next message that is due in this pass. False: there is none. */
static bool
load_next(struct run *r)
{
	struct work *w = free_work(r);
	const char *name;

	while (!must_stop && !run_is_over(r) && (name = queue_next(&r->queue)) != NULL) {
		enum queue_loaded loaded = queue_load(&r->queue, name, &w->m);

		if (loaded == QUEUE_SKIPPED && errno != 0)
			log_error("read a queued message", errno);
		if (loaded != QUEUE_LOADED)
			continue;
		w->used = true;
		w->strict = run_is_strict(r, &w->m.e);
		w->dirty = false;
		w->from = w->cuts = w->idle_cuts = 0;
		w->offset = 0;
		for (unsigned i = 0; i < w->m.e.n; i++)
			w->outcomes[i] = (struct outcome){ .class = 0 };
		w->host[0] = w->address[0] = w->tls[0] = '\0';
		if (w->m.e.hold) {
			queue_unload(&w->m);
			w->used = false;
		} else if (settle_late(r, w)) {
			continue;
		} else if (!has_due(r, &w->m.e)) {
			settle_waiting(r, w);
		} else if (w->strict != r->strict) {
			r->strict_met |= w->strict;
			queue_unload(&w->m);
			w->used = false;
		} else {
			r->waiting[r->n_waiting++] = w;
			return true;
		}
	}
	return false;
}

/* -- connections --------------------------------------------------------------------------------- */

static struct slot *
find_slot(struct run *r, enum slot_state state)
{
	for (unsigned i = 0; i < r->n_slots; i++)
		if (r->slots[i].state == state)
			return &r->slots[i];
	return NULL;
}

/* Connections that break again and again are no connections. */
static void
check_barren(struct run *r)
{
	struct no_hop *n = &r->no_hop[r->strict];
	char name[SCHEDULE_NAME];

	if (r->barren < RUNNER_BARREN || n->is || r->route.n == 0)
		return;
	n->is = n->met = true;
	n->why = (struct outcome){ .class = '4', .code = "4.4.2",
	                           .reply = "connections to this server break" };
	run_hop_name(r, 0, r->strict, name);
	schedule_failed(&r->schedule, name, r->setup->conf, time(NULL), n->why.code, n->why.reply);
}

static unsigned
count_used(const struct run *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->n_slots; i++)
		n += r->slots[i].state != SLOT_FREE;
	return n;
}

/* One more connection, while none is just being made. False: there will be none. */
static bool
connect_more(struct run *r)
{
	struct slot *s;
	unsigned hop;

	check_barren(r);
	if (find_slot(r, SLOT_CONNECTING) != NULL || find_slot(r, SLOT_LOGIN) != NULL)
		return true;
	s = find_slot(r, SLOT_FREE);
	if (s == NULL || count_used(r) >= r->share)
		return true;
	if (run_is_over(r))
		return false;
	if (!run_find_hop(r, r->strict, 0, &hop))
		return false;
	if (slot_start(r, s, hop, r->strict, false))
		return true;
	r->no_hop[r->strict].is = true;
	r->no_hop[r->strict].why = (struct outcome){ .class = '4', .code = "4.3.0",
	                                             .reply = "no process for it" };
	return false;
}

/* Gives messages to connections until one of the two is used up. */
static void
assign(struct run *r)
{
	bool barred = r->turned && r->strict;

	while (r->n_waiting > 0 || load_next(r)) {
		struct slot *s = find_slot(r, SLOT_IDLE);

		if (s != NULL && count_used(r) > r->share) {
			slot_quit(s);
			continue;
		}
		/* Nothing that wants REQUIRETLS over a connection that the other side has made. */
		if (s != NULL && !barred) {
			slot_send(r, s, r->waiting[--r->n_waiting]);
			continue;
		}
		if (!barred && (connect_more(r) || find_slot(r, SLOT_SENDING) != NULL))
			return;
		/* No connection now, and none to come: the rest of the pass ends so. */
		settle_unsent(r, r->waiting[--r->n_waiting]);
	}
}

static int
wait_ms(const struct run *r)
{
	int64_t now = clock_ms(), left = INT32_MAX;

	for (unsigned i = 0; i < r->n_slots; i++) {
		const struct slot *s = &r->slots[i];

		if (s->state == SLOT_FREE || s->state == SLOT_IDLE)
			continue;
		if (s->deadline - now < left)
			left = s->deadline - now;
	}
	return left < 0 ? 0 : (int)left;
}

/* While a domain is run the dispatcher has nothing to say but how many connections it may have. */
static void
hear_control(struct run *r)
{
	static struct packet p;

	if (packet_recv(r->setup->control, &p) == 1 && run_share(r, &p))
		return;
	packet_close_fds(&p);
	must_stop = 1; /* it is gone: what is being sent is sent */
}

static void
poll_slots(struct run *r)
{
	struct pollfd p[2 * LIMIT_PER_DESTINATION + 1];
	unsigned end = 2 * r->n_slots;
	int n;

	for (unsigned i = 0; i < r->n_slots; i++) {
		struct slot *s = &r->slots[i];

		/* Whoever waits for the tls helper says nothing, but may go away. */
		p[2 * i] = (struct pollfd){ s->boundary, s->tls == -1 ? POLLIN : 0, 0 };
		p[2 * i + 1] = (struct pollfd){ s->tls, POLLIN, 0 };
	}
	p[end] = (struct pollfd){ must_stop ? -1 : r->setup->control, POLLIN, 0 };
	n = r->queue.unsynced ? poll(p, end + 1, RUNNER_SYNC_MS) : 0;
	if (n == 0) {
		/* Nothing to do meanwhile: what is finished gets to disk. */
		if (queue_sync(&r->queue) == -1)
			log_error("sync a queue", errno);
		n = poll(p, end + 1, wait_ms(r));
	}
	if (n > 0 && p[end].revents != 0)
		hear_control(r);
	for (unsigned i = 0; i < r->n_slots; i++) {
		struct slot *s = &r->slots[i];

		if (n > 0 && p[2 * i + 1].revents != 0 && s->tls != -1)
			slot_tls_event(r, s);
		else if (n > 0 && p[2 * i].revents != 0 && s->boundary != -1)
			slot_event(r, s);
		else if (s->state != SLOT_FREE && s->state != SLOT_IDLE && s->deadline <= clock_ms())
			slot_expire(r, s);
	}
}

static bool
has_busy(const struct run *r)
{
	for (unsigned i = 0; i < r->n_slots; i++)
		if (r->slots[i].state != SLOT_FREE && r->slots[i].state != SLOT_IDLE)
			return true;
	return false;
}

/* Once through the directory. */
static void
pass(struct run *r, bool strict)
{
	r->strict = strict;
	r->barren = 0;
	if (!r->turned)
		run_quit(r, strict, false);
	queue_rewind(&r->queue);
	for (;;) {
		assign(r);
		/* A connection that nobody waits for any more is not waited for. */
		if (r->n_waiting == 0 && find_slot(r, SLOT_SENDING) == NULL && !load_next(r))
			break;
		if (has_busy(r))
			poll_slots(r);
	}
	/* Connections that prove themselves are for those messages alone; turned ones for all. */
	if (!r->turned)
		run_quit(r, strict, true);
	if (queue_sync(&r->queue) == -1)
		log_error("sync a queue", errno);
}

/* -- a run --------------------------------------------------------------------------------------------- */

void
run_passes(struct run *r)
{
	struct queue_time seen = { 0 };
	int retry = queue_open_retry(&r->queue, false);
	bool again = false;

	if (retry == -1 && errno != ENOENT)
		log_error("open retry", errno);
	run_read_schedule(r, retry);
	do {
		/* Mail does not wait for the first reading; the last one has to be sure. */
		if (again)
			queue_settle(&r->queue, &seen);
		else
			(void)queue_changed(&r->queue, &seen); /* as it is now */
		again = true;
		r->due = r->age_due = 0;
		r->left = 0;
		r->strict_met = false;
		pass(r, false);
		if (r->strict_met)
			pass(r, true);
		if (queue_remove_empty(&r->queue))
			break;
		run_set_schedule(r, &retry);
		r->now = false;
		/* What came while the directory was read is seen by reading it again. */
	} while (queue_changed(&r->queue, &seen) && !must_stop);
	if (retry != -1)
		(void)close(retry); /* a loss costs an attempt */
}

/*
 * Its owner asks for it: all of it, unless that was tried a moment ago, which is what the
 * lock's content is for (keeper/demand.c reads it, too). What is new goes in any case.
 */
static bool
is_asked_anew(const struct run *r)
{
	time_t now = time(NULL), last = queue_asked(&r->queue);

	if (last <= now && now - last < LIMIT_ETRN_PAUSE)
		return false;
	queue_set_asked(&r->queue, now);
	return true;
}

/* False: not now, *done says why. */
static bool
is_to_run(struct run *r, const char *how, enum control_done *done)
{
	*done = DONE_RUN;
	if (!run_configure(r)) {
		*done = DONE_ERROR;
		return false;
	}
	r->held = r->way.next.kind == NEXT_HOLD;
	if (r->held && how[0] == '\0') {
		*done = DONE_HELD;
		run_put_off(r);
		return false;
	}
	if (r->held)
		r->way.next.kind = r->way.next.host[0] != '\0' ? NEXT_SMTP : NEXT_MX;
	r->now = strcmp(how, CONTROL_NOW) == 0 ||
	         (strcmp(how, CONTROL_ASKED) == 0 && is_asked_anew(r));
	return true;
}

static enum control_done
run_domain(struct run *r, const char *name, const char *how)
{
	enum control_done done;

	r->sent = r->failed = r->left = 0;
	switch (queue_open(&r->queue, name)) {
	case QUEUE_OPEN:
		break;
	case QUEUE_BUSY:
		return DONE_BUSY;
	case QUEUE_NONE:
		return DONE_NONE;
	case QUEUE_ERROR:
		log_error("open a queue", errno);
		return DONE_ERROR;
	}
	(void)queue_domain(r->domain, name); /* queue_open() has asked */
	if (is_to_run(r, how, &done)) {
		run_take_kept(r);
		run_passes(r);
		run_keep(r);
	}
	queue_close(&r->queue);
	return done;
}

void
run_log_asked(const struct run *r, const char *id, const char *name, const char *result)
{
	struct log_line l;

	log_start(&l, "flush");
	log_field(&l, "id", id);
	log_field(&l, "domain", name);
	log_field(&l, "result", result);
	log_number(&l, "sent", r->sent);
	log_number(&l, "failed", r->failed);
	log_number(&l, "left", r->left);
	log_send(&l, LOG_LEVEL_INFO);
}

/* -- the process ------------------------------------------------------------------------------------------ */

static bool
prepare(struct run *r)
{
	const struct conf *c = r->setup->conf;
	struct sigaction term = { .sa_handler = on_term };

	(void)signal(SIGPIPE, SIG_IGN); /* valid signals */
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)sigaction(SIGTERM, &term, NULL);
	r->n_slots = (unsigned)c->per_destination;
	r->n_works = r->n_slots + 1;
	r->slots = calloc(r->n_slots, sizeof *r->slots);
	r->works = calloc(r->n_works, sizeof *r->works);
	if (r->slots == NULL || r->works == NULL || !queue_init(&r->queue, r->setup->spool)) {
		log_error("memory", errno);
		return false;
	}
	r->queue.foreign = settle_foreign;
	r->queue.context = r;
	for (unsigned i = 0; i < r->n_slots; i++)
		r->slots[i].boundary = r->slots[i].tls = r->slots[i].tls_end = -1;
	return true;
}

/* CONTROL_RUN. */
static enum control_done
take_run(struct run *r, const struct packet *p)
{
	static const struct {
		enum control_done done;
		const char *word;
	} words[] = {
		{ DONE_RUN, "done" },
		{ DONE_BUSY, "busy" },
		{ DONE_NONE, "none" },
	};
	char name[LIMIT_NAME + 1], how[8], id[LIMIT_ID + 1];
	const char *word = "failed";
	enum control_done done;
	uint64_t share;

	if (p->n != 4 || p->fd[0] != -1 || !text_copy(name, sizeof name, p->field[0]) ||
	    !text_copy(how, sizeof how, p->field[1]) || !text_copy(id, sizeof id, p->field[2]) ||
	    !parse_u64(p->field[3], r->n_slots, &share) || share == 0)
		return 0;
	r->share = (unsigned)share;
	done = run_domain(r, name, how);
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (words[i].done == done)
			word = words[i].word;
	if (id[0] != '\0')
		run_log_asked(r, id, name, word);
	return done;
}

/* CONTROL_TURN. The connection is ours. */
static enum control_done
take_turn(struct run *r, struct packet *p)
{
	char client[64], domains[LIMIT_ATRN + 1], id[LIMIT_ID + 1];
	int conn = p->fd[0];

	if (p->n != 3 || conn == -1 || p->fd[1] != -1 ||
	    !text_copy(client, sizeof client, p->field[0]) ||
	    !text_copy(domains, sizeof domains, p->field[1]) ||
	    !text_copy(id, sizeof id, p->field[2]))
		return 0;
	p->fd[0] = -1;
	run_turn(r, conn, client, domains, id);
	return DONE_RUN;
}

int
runner_work(const struct runner_setup *setup)
{
	static struct run r;
	static struct packet p;

	r.setup = setup;
	r.conn = -1;
	if (!run_read_login(&r) || !prepare(&r) || !run_confine(setup))
		return 111;
	while (run_wait(&r), !must_stop && packet_recv(setup->control, &p) == 1) {
		enum control_done done;

		if (run_share(&r, &p))
			continue;
		done = p.letter == CONTROL_RUN  ? take_run(&r, &p) :
		       p.letter == CONTROL_TURN ? take_turn(&r, &p) : 0;
		packet_close_fds(&p);
		if (done == 0)
			return 111;
		packet_start(&p, CONTROL_DONE);
		packet_addc(&p, (char)done);
		if (packet_send(setup->control, &p, -1) == -1)
			return 111;
	}
	run_quit(&r, true, true);
	return 0;
}
