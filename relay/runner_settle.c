/*
 * See runner_run.h. The order on disk: a delivery is marked as soon as it is known; a failure
 * after its report is on disk, so a crash between repeats the report and never loses it; an
 * envelope goes when all its recipients are marked.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "relay/report.h"
#include "relay/runner_run.h"

bool
run_is_due(const struct run *r, const struct envelope_to *to, time_t now)
{
	/* A time further ahead than any backoff: the clock was set back. */
	return to->state == ENVELOPE_TODO &&
	       (r->now || to->next <= now || to->next > now + (time_t)r->setup->conf->retry_max);
}

/* -- the log --------------------------------------------------------------------------------- */

static void
log_address(struct log_line *l, const char *key, const struct address *a)
{
	char buf[LIMIT_ADDRESS + 1];
	struct text t;

	text_init(&t, buf, sizeof buf);
	address_text(&t, a);
	log_field(l, key, buf);
}

void
settle_log(const struct run *r, const struct work *w, unsigned i, const char *event)
{
	const struct outcome *o = &w->outcomes[i];
	time_t age = time(NULL) - w->m.e.arrived;
	struct log_line l;

	log_start(&l, event);
	log_field(&l, "id", w->m.e.id);
	log_address(&l, "from", &w->m.e.sender);
	log_address(&l, "to", &w->m.e.to[i].address);
	log_field(&l, "domain", r->domain);
	if (w->host[0] != '\0')
		log_field(&l, "host", w->host);
	if (w->address[0] != '\0')
		log_field(&l, "address", w->address);
	if (w->tls[0] != '\0')
		log_field(&l, "tls", w->tls);
	log_field(&l, "code", o->code);
	log_field(&l, "reply", o->reply);
	log_number(&l, "delay", age < 0 ? 0 : (uint64_t)age);
	log_send(&l, o->class == '2' ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING);
}

static void
log_disk(const char *what)
{
	log_error(what, errno);
}

static bool
wants(const struct envelope_to *to, unsigned what)
{
	/* RFC 3461 4.1: not said is FAILURE, and DELAY at our will. */
	return to->notify == 0 ? what != NOTIFY_SUCCESS : (to->notify & what) != 0;
}

/*
 * Is there to be a report that it was passed on? Of success where the next hop makes none
 * (RFC 3461 5.2.2); and to all who do not want nothing where it does not watch the time
 * (RFC 2852 4.1.4.2), and wherever a trace was asked for.
 */
static bool
is_passed_on(const struct work *w, unsigned i)
{
	const struct envelope_to *to = &w->m.e.to[i];
	const struct outcome *o = &w->outcomes[i];
	const struct deliver_by *by = &w->m.e.by;
	bool told = by->mode != BY_NONE &&
	            (by->trace || (o->untimed && !by_is_over(by, time(NULL))));

	return (o->relayed && wants(to, NOTIFY_SUCCESS)) || (told && !(to->notify & NOTIFY_NEVER));
}

void
settle_known(struct run *r, struct work *w, unsigned i)
{
	struct envelope_to *to = &w->m.e.to[i];

	if (w->outcomes[i].class != '2')
		return;
	to->state = is_passed_on(w, i) ? ENVELOPE_RELAYED : ENVELOPE_DONE;
	to->attempts++;
	r->sent++;
	/* In the file before anything else is done; on disk with the message's end. */
	w->dirty = true;
	if (envelope_put_mark(w->m.envelope_fd, to) == -1)
		log_disk("mark a recipient");
	settle_log(r, w, i, w->outcomes[i].relayed && wants(to, NOTIFY_SUCCESS) ? "relayed" :
	                                                                          "sent");
}

/* -- times -------------------------------------------------------------------------------------- */

static void
earliest(time_t *t, time_t when)
{
	if (*t == 0 || when < *t)
		*t = when;
}

/*
 * When the sender hears that it takes long. Who has set a time wants to hear then, and not
 * before (RFC 2852 4.1.3).
 */
static time_t
delay_time(const struct run *r, const struct envelope *e)
{
	return e->by.mode == BY_NOTIFY ? e->by.when :
	       envelope_start(e) + (time_t)r->setup->conf->delay_report;
}

/* What is left of w comes up again at these times. */
static void
note_due(struct run *r, const struct envelope *e)
{
	time_t expire = envelope_start(e) + (time_t)r->setup->conf->expire;
	time_t delay = delay_time(r, e);
	time_t now = time(NULL);

	for (unsigned i = 0; i < e->n; i++) {
		const struct envelope_to *to = &e->to[i];

		if (to->state == ENVELOPE_DONE || to->state == ENVELOPE_FAILED)
			continue;
		r->left++;
		if (run_is_early(e, now)) {
			earliest(&r->due, e->release);
			continue;
		}
		if (e->by.mode == BY_RETURN && e->by.when > now)
			earliest(&r->age_due, e->by.when);
		earliest(&r->due, to->next > 0 ? to->next : 1);
		if (to->next > now)
			continue; /* next comes before these (defer()) */
		if (expire > now)
			earliest(&r->age_due, expire);
		if (!to->delay_told && delay > now)
			earliest(&r->age_due, delay);
	}
}

static bool
is_older(const struct envelope *e, uint64_t seconds)
{
	return time(NULL) - envelope_start(e) >= (time_t)seconds;
}

/*
 * Mail on hold is as old as its owner pleases: what counts is that a server has been
 * reached, and has said "later".
 */
static bool
is_too_old(const struct run *r, const struct work *w, unsigned i)
{
	return is_older(&w->m.e, r->setup->conf->expire) &&
	       (!r->held || w->outcomes[i].remote);
}

/* -- one recipient --------------------------------------------------------------------------------- */

/* Not taken now: when again, or never. */
static void
defer(const struct run *r, struct work *w, unsigned i, bool tried)
{
	const struct conf *c = r->setup->conf;
	const struct envelope *e = &w->m.e;
	struct envelope_to *to = &w->m.e.to[i];
	struct outcome *o = &w->outcomes[i];
	time_t now = time(NULL);

	if (is_too_old(r, w, i)) {
		o->class = '5';
		o->expired = true;
		(void)text_copy(o->code, sizeof o->code, "5.4.7");
		return;
	}
	if (!tried)
		return; /* the host's backoff counts */
	to->attempts++;
	to->next = now + schedule_backoff(c, to->attempts);
	/* Reports and the last attempt come in time. */
	if (to->next > envelope_start(e) + (time_t)c->expire)
		to->next = envelope_start(e) + (time_t)c->expire;
	if (!to->delay_told && now < delay_time(r, e) && to->next > delay_time(r, e))
		to->next = delay_time(r, e);
	if (e->by.mode == BY_RETURN && to->next > e->by.when)
		to->next = e->by.when;
	settle_log(r, w, i, "deferred");
}

static void
mark(struct work *w, unsigned i)
{
	w->dirty = true;
	if (envelope_put_mark(w->m.envelope_fd, &w->m.e.to[i]) == -1)
		log_disk("mark a recipient");
}

/* -- reports ---------------------------------------------------------------------------------------- */

struct list {
	unsigned n;
	unsigned short at[LIMIT_RECIPIENTS];
};

/* Failures: told first, marked then. */
static void
settle_failed(struct run *r, struct work *w)
{
	static struct list failed, told;

	failed.n = told.n = 0;
	for (unsigned i = 0; i < w->m.e.n; i++) {
		const struct envelope_to *to = &w->m.e.to[i];

		if ((to->state != ENVELOPE_TODO && to->state != ENVELOPE_HELD) ||
		    w->outcomes[i].class != '5')
			continue;
		failed.at[failed.n++] = (unsigned short)i;
		if (wants(to, NOTIFY_FAILURE))
			told.at[told.n++] = (unsigned short)i;
	}
	if (failed.n == 0)
		return;
	if (tell_sender(r, w, REPORT_FAILED, told.at, told.n) == TELL_LATER) {
		/* Tried again, since nobody may fail unheard. */
		for (unsigned k = 0; k < failed.n; k++) {
			w->m.e.to[failed.at[k]].next = time(NULL) + schedule_backoff(r->setup->conf, 1);
			mark(w, failed.at[k]);
		}
		return;
	}
	for (unsigned k = 0; k < failed.n; k++) {
		struct envelope_to *to = &w->m.e.to[failed.at[k]];

		to->state = ENVELOPE_FAILED;
		to->attempts++;
		r->failed++;
		mark(w, failed.at[k]);
		settle_log(r, w, failed.at[k], "bounced");
	}
}

static void
settle_delayed(struct run *r, struct work *w)
{
	static struct list late;

	late.n = 0;
	if (time(NULL) < delay_time(r, &w->m.e))
		return;
	for (unsigned i = 0; i < w->m.e.n; i++) {
		const struct envelope_to *to = &w->m.e.to[i];

		if (to->state == ENVELOPE_TODO && w->outcomes[i].class == '4' &&
		    !to->delay_told && wants(to, NOTIFY_DELAY) &&
		    (!r->held || w->outcomes[i].remote || w->m.e.by.mode == BY_NOTIFY))
			late.at[late.n++] = (unsigned short)i;
	}
	/* RFC 2852 4.1.3: what is reported is the time, and why it was not enough. */
	for (unsigned k = 0; k < late.n && w->m.e.by.mode == BY_NOTIFY; k++)
		(void)text_copy(w->outcomes[late.at[k]].code, OUTCOME_CODE, "4.4.7"); /* fits */
	if (late.n == 0 || tell_sender(r, w, REPORT_DELAYED, late.at, late.n) == TELL_LATER)
		return;
	for (unsigned k = 0; k < late.n; k++) {
		w->m.e.to[late.at[k]].delay_told = true;
		mark(w, late.at[k]);
	}
}

/*
 * It is where it should be, and marked so; what is due is the report of that. Marked D when it is on
 * disk: a crash between the two tells twice. state is ENVELOPE_DELIVERED (the keeper has delivered
 * it) or ENVELOPE_RELAYED (by the hop of this run, or of one that was killed).
 */
static void
settle_success(struct run *r, struct work *w, enum envelope_state state, int kind)
{
	static struct list told;
	bool later;

	told.n = 0;
	for (unsigned i = 0; i < w->m.e.n; i++)
		if (w->m.e.to[i].state == state && (r->now || w->m.e.to[i].next <= time(NULL)))
			told.at[told.n++] = (unsigned short)i;
	if (told.n == 0)
		return;
	later = tell_sender(r, w, kind, told.at, told.n) == TELL_LATER;
	for (unsigned k = 0; k < told.n; k++) {
		struct envelope_to *to = &w->m.e.to[told.at[k]];

		to->attempts++;
		if (later && !is_older(&w->m.e, r->setup->conf->expire))
			to->next = time(NULL) + schedule_backoff(r->setup->conf, to->attempts);
		else
			to->state = ENVELOPE_DONE;
		mark(w, told.at[k]);
	}
}

/* -- the message -------------------------------------------------------------------------------------- */

static bool
is_done(const struct envelope *e)
{
	for (unsigned i = 0; i < e->n; i++)
		if (e->to[i].state != ENVELOPE_DONE && e->to[i].state != ENVELOPE_FAILED)
			return false;
	return true;
}

static void
finish(struct run *r, struct work *w)
{
	if (is_done(&w->m.e)) {
		/* Its directory is synced with others': until then the marks are all in vain. */
		if (queue_finish(&r->queue, &w->m) == -1)
			log_disk("remove an envelope");
	} else {
		if (w->dirty && fdatasync(w->m.envelope_fd) == -1)
			log_disk("sync an envelope");
		note_due(r, &w->m.e);
	}
	queue_unload(&w->m);
	w->used = false;
}

/* stuck: what is due and was not tried has no hop. */
static void
settle_all(struct run *r, struct work *w, bool stuck)
{
	time_t now = time(NULL);

	for (unsigned i = 0; i < w->m.e.n; i++) {
		struct outcome *o = &w->outcomes[i];
		bool tried = o->class != 0;

		if (w->m.e.to[i].state != ENVELOPE_TODO)
			continue;
		if (!tried && stuck && run_is_due(r, &w->m.e.to[i], now))
			*o = r->no_hop[w->strict].why;
		if (o->class != '4')
			continue;
		defer(r, w, i, tried);
		if (tried && o->class == '4')
			mark(w, i);
	}
	settle_failed(r, w);
	settle_delayed(r, w);
	settle_success(r, w, ENVELOPE_RELAYED, REPORT_RELAYED);
	finish(r, w);
}

void
settle(struct run *r, struct work *w)
{
	settle_all(r, w, false);
}

void
settle_unsent(struct run *r, struct work *w)
{
	if (w->from == 0)
		w->host[0] = w->address[0] = w->tls[0] = '\0'; /* of another message */
	settle_all(r, w, true);
}

void
settle_waiting(struct run *r, struct work *w)
{
	settle_released(r, w);
	settle_failed(r, w);
	settle_success(r, w, ENVELOPE_DELIVERED, REPORT_DELIVERED);
	settle_success(r, w, ENVELOPE_RELAYED, REPORT_RELAYED);
	finish(r, w);
}

void
settle_foreign(struct queue *q, const char *name, const char *why)
{
	tell_postmaster(q->context, name, why);
}
