/* See sender_outcome.h. Lists are as long as one packet holds: 1-3 5 7-9. */
#include "relay/sender_outcome.h"

#include <string.h>

#include "base/sending.h"
#include "relay/client_timed.h"

/* Gone before a word of its own about this message, the first of which answers MAIL. */
static bool
is_gone_at_mail(const struct sender_outcome *o, const struct client_verdict *v)
{
	return o->used && o->told == 0 && o->client->io.trouble == CLIENT_CLOSED && !v->remote &&
	       strcmp(v->text, "connection closed at MAIL") == 0;
}

/* What stands in from..to goes into the list. */
static void
add_range(struct sender_outcome *o)
{
	if (o->listed.len > 0)
		text_addc(&o->listed, ' ');
	text_addu(&o->listed, o->from);
	if (o->to > o->from) {
		text_addc(&o->listed, '-');
		text_addu(&o->listed, o->to);
	}
}

void
sender_outcome_tell(struct sender_outcome *o)
{
	const struct client_verdict *v = &o->verdict;
	const struct client *c = o->client;
	char class[2] = { v->class, '\0' };

	if (!o->pending)
		return;
	add_range(o);
	o->pending = false;
	packet_start(o->out, SEND_OUTCOME);
	packet_add(o->out, o->list);
	packet_add(o->out, class);
	packet_add(o->out, v->enhanced);
	packet_add(o->out, v->text);
	packet_add(o->out, v->remote ? "remote" : "local");
	packet_add(o->out, v->class != '2'                       ? "" :
	                   client_timed_is_lost(c, o->message) ? "by" :
	                   c->offer.have & EXT_DSN             ? "" : "yes");
	/* Nobody there: the next wait on the connection ends it all. */
	(void)packet_send(o->boundary, o->out, -1);
}

void
sender_outcome_add(void *arg, unsigned i, const struct client_verdict *v)
{
	struct sender_outcome *o = arg;
	bool same = o->pending && v->class == o->verdict.class && v->remote == o->verdict.remote &&
	            strcmp(v->enhanced, o->verdict.enhanced) == 0 &&
	            strcmp(v->text, o->verdict.text) == 0;

	if (is_gone_at_mail(o, v))
		return; /* as is_stale(), found a moment later */
	o->told++;
	if (same && i == o->to + 1) {
		o->to = i;
		return;
	}
	if (same && o->listed.len < sizeof o->list - 32) {
		add_range(o);
	} else {
		sender_outcome_tell(o);
		text_init(&o->listed, o->list, sizeof o->list);
		o->verdict = *v;
		o->pending = true;
	}
	o->from = o->to = i;
}
