/*
 * VERB_TIMED: what MAIL says about when (RFC 2852, 4865, 6710). Seconds become times here.
 * The session has checked the same against the same configuration, so what is against it
 * comes from no session of ours; but who may raise a priority is decided here alone.
 */
#include <time.h>

#include "base/timed.h"
#include "keeper/request.h"

static bool
take_by(struct keeper *k, const char *s, time_t now)
{
	const struct conf *c = k->own.conf;
	struct deliver_by *by = &k->transaction.from.by;

	if (s[0] == '\0')
		return true;
	if (!c->deliver_by || k->own.job.service == SERVICE_LMTP || !parse_by(s, by) ||
	    (by->mode == BY_RETURN && by->when < (time_t)c->deliver_by_min))
		return false;
	by->when += now;
	return by->when >= 0;
}

static bool
take_hold(struct keeper *k, const char *seconds, const char *until, time_t now)
{
	const struct deliver_by *by = &k->transaction.from.by;
	time_t last = now + (time_t)k->own.conf->future_release, when = now;
	uint64_t n = 0;

	if (seconds[0] == '\0' && until[0] == '\0')
		return true;
	if ((seconds[0] != '\0' && until[0] != '\0') || last == now || !(k->have & LOGIN) ||
	    !is_submission(k->own.job.service))
		return false;
	if (seconds[0] != '\0') {
		if (!parse_hold_for(seconds, &n) || n > k->own.conf->future_release)
			return false;
		when = now + (time_t)n;
	} else if (!parse_hold_until(until, &when) || when > last) {
		return false;
	}
	if (by->mode != BY_NONE && when > by->when) /* RFC 4865 5.2.2 */
		return false;
	/* A time that has passed asks for nothing. */
	k->transaction.from.release = when > now ? when : 0;
	k->transaction.from.hold_for = n;
	return true;
}

/* ANSWER_YES, ANSWER_DENIED; ANSWER_ERROR for what no session sends. */
static enum answer
take_priority(struct keeper *k, const char *s)
{
	const struct conf_priority *p = &k->own.conf->priority;
	int *priority = &k->transaction.from.priority;

	if (s[0] == '\0')
		return ANSWER_YES;
	if (!p->offered || k->own.job.service == SERVICE_LMTP || !parse_priority(s, priority))
		return ANSWER_ERROR;
	/* RFC 6710 4.1, 7: urgency costs others, so it is for those who were given it. */
	if (*priority <= 0 || conf_may_raise(p, k->have & LOGIN ? k->login.name : ""))
		return ANSWER_YES;
	if (p->refuse)
		return ANSWER_DENIED;
	*priority = 0;
	return ANSWER_YES;
}

bool
timed_do(struct keeper *k)
{
	const char *const *f = k->in.field;
	time_t now = time(NULL);
	char buf[8];
	struct text t;

	if (!take_by(k, f[0], now) || !take_hold(k, f[1], f[2], now))
		return false;
	switch (take_priority(k, f[3])) {
	case ANSWER_YES:
		break;
	case ANSWER_DENIED:
		request_end_transaction(k);
		return request_say(k, ANSWER_DENIED);
	default:
		return false;
	}
	text_init(&t, buf, sizeof buf);
	priority_text(&t, k->transaction.from.priority);
	packet_start(&k->out, ANSWER_YES);
	packet_add(&k->out, buf);
	return request_reply(k, -1);
}
