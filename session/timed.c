/*
 * See timed.h. What is checked here is for a good answer; what counts is the keeper's own
 * check (keeper/request_timed.c).
 */
#include "session/timed.h"

#include "base/clock.h"

bool
timed_has_by(const struct session *s)
{
	return s->setup->conf->deliver_by && s->setup->service != SERVICE_LMTP;
}

/* RFC 4865 3: submission alone, and for those who are known. */
bool
timed_has_hold(const struct session *s)
{
	return s->setup->conf->future_release > 0 && is_submission(s->setup->service) &&
	       s->have & LOGIN;
}

bool
timed_has_priority(const struct session *s)
{
	return s->setup->conf->priority.offered && s->setup->service != SERVICE_LMTP;
}

void
timed_add_by(const struct session *s, struct text *t)
{
	if (s->setup->conf->deliver_by_min == 0)
		return;
	text_addc(t, ' ');
	text_addu(t, s->setup->conf->deliver_by_min);
}

void
timed_add_hold(const struct session *s, struct text *t)
{
	text_addc(t, ' ');
	text_addu(t, s->setup->conf->future_release);
	text_addc(t, ' ');
	clock_stamp(t, clock_now() + (time_t)s->setup->conf->future_release);
}

void
timed_add_priority(const struct session *s, struct text *t)
{
	if (s->setup->conf->priority.policy[0] == '\0')
		return;
	text_addc(t, ' ');
	text_add(t, s->setup->conf->priority.policy);
}

static bool
is_hold_long(const struct session *s, const struct mail_parameters *m)
{
	uint64_t most = s->setup->conf->future_release, seconds;
	time_t until;

	if (m->hold_for[0] != '\0')
		return parse_hold_for(m->hold_for, &seconds) && seconds > most;
	return parse_hold_until(m->hold_until, &until) && until > clock_now() + (time_t)most;
}

/* RFC 4865 5.2.2: released when the time in which it is to arrive is over. */
static bool
is_held_past(const struct mail_parameters *m, const struct deliver_by *by)
{
	uint64_t seconds;
	time_t until;

	if (m->hold_for[0] != '\0')
		return parse_hold_for(m->hold_for, &seconds) && (time_t)seconds > by->when;
	return parse_hold_until(m->hold_until, &until) && until > clock_now() + by->when;
}

const struct reply *
timed_object(const struct session *s, const struct mail_parameters *m)
{
	bool by = m->by[0] != '\0', hold = m->hold_for[0] != '\0' || m->hold_until[0] != '\0';
	struct deliver_by wish;

	if ((by && !timed_has_by(s)) || (hold && !timed_has_hold(s)) ||
	    (m->priority[0] != '\0' && !timed_has_priority(s)))
		return &reply_unknown_parameter;
	by = by && parse_by(m->by, &wish); /* it has been read once */
	if (by && hold && is_held_past(m, &wish))
		return &reply_by_held;
	/* RFC 2852 4: a fixed minimum is for mode R. */
	if (by && wish.mode == BY_RETURN && wish.when < (time_t)s->setup->conf->deliver_by_min)
		return &reply_by_short;
	return hold && is_hold_long(s, m) ? &reply_hold_long : NULL;
}

const struct reply *
timed_begin(struct session *s, const struct mail_parameters *m)
{
	int asked = 0, priority;
	enum answer a;
	struct text t;

	if (m->by[0] == '\0' && m->hold_for[0] == '\0' && m->hold_until[0] == '\0' &&
	    m->priority[0] == '\0')
		return NULL;
	a = ask_timed(&s->ask, m, &priority);
	if (a == ANSWER_DENIED)
		return &reply_priority_denied;
	if (a != ANSWER_YES)
		return session_refused(s, a);
	if (m->priority[0] == '\0' || (parse_priority(m->priority, &asked) && asked == priority))
		return &reply_sender_ok;
	/* RFC 6710 4.1: the new one comes first. */
	text_init(&t, s->detail, sizeof s->detail);
	priority_text(&t, priority);
	text_add(&t, " is its priority from here on");
	return &reply_priority;
}
