/* See client_timed.h. Called for each transaction, since time goes on. */
#include "relay/client_timed.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"

static bool
offers(const struct client *c, unsigned extension)
{
	return (c->offer.have & extension) != 0;
}

const char *
client_timed_object(const struct client *c, const struct client_message *m)
{
	time_t left = m->by.when - clock_now();

	if (m->by.mode != BY_RETURN)
		return NULL;
	if (left <= 0)
		return "not delivered by the time that its sender has set";
	if (c->lmtp && !offers(c, EXT_DELIVERBY))
		return NULL;
	/* RFC 2852 4.1.4: who does not know the time would deliver late. */
	if (!offers(c, EXT_DELIVERBY))
		return "the next hop does not offer DELIVERBY";
	return (uint64_t)left < c->offer.by_min ?
	       "the next hop wants more time for it than its sender has left" : NULL;
}

void
client_timed_add(struct text *t, const struct client *c, const struct client_message *m)
{
	if (m->by.mode != BY_NONE && offers(c, EXT_DELIVERBY)) {
		text_add(t, " BY=");
		by_text(t, &m->by, clock_now());
	}
	if (m->priority != 0 && offers(c, EXT_MT_PRIORITY)) {
		text_add(t, " MT-PRIORITY=");
		priority_text(t, m->priority);
	}
}

uint64_t
client_timed_skip(const struct client *c, const struct client_message *m)
{
	char line[32], have[sizeof line];
	struct text t;

	if (m->priority == 0 || !m->priority_field || offers(c, EXT_MT_PRIORITY))
		return m->skip;
	text_init(&t, line, sizeof line);
	text_add(&t, PRIORITY_FIELD);
	priority_text(&t, m->priority);
	text_addc(&t, '\n');
	/* The last of the lines that are for mailboxes here (keeper/trace.c). */
	if (m->skip < t.len ||
	    pread(m->fd, have, t.len, (off_t)(m->skip - t.len)) != (ssize_t)t.len ||
	    memcmp(have, line, t.len) != 0)
		return m->skip;
	return m->skip - t.len;
}

bool
client_timed_is_lost(const struct client *c, const struct client_message *m)
{
	return m->by.mode != BY_NONE && !c->lmtp && !offers(c, EXT_DELIVERBY);
}
