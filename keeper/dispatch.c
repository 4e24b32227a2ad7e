/* See dispatch.h. Called by deliver.c while it links, and after its last sync. */
#include "keeper/dispatch.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "keeper/srs.h"

/* One message may be twice in one domain's queue: once from its sender, once sent on. */
static bool
set_id(struct envelope *e, const char *id, const struct destination *to, unsigned i)
{
	struct text t;

	text_init(&t, e->id, sizeof e->id);
	text_add(&t, id);
	if (to->kind != QUEUE_SEND || to->forwarder[0] != '\0') {
		text_addc(&t, to->kind == QUEUE_REPORT ? 'r' : to->kind == QUEUE_HOLD ? 'h' : 'f');
		text_addu(&t, i);
	}
	envelope_id_priority(&t, e->priority);
	return text_ok(&t);
}

static bool
set_sender(struct delivery *d, const struct destination *to)
{
	struct resolver *r = d->resolver;
	struct address sender = d->sender;

	d->envelope->sender = sender;
	if (to->forwarder[0] == '\0')
		return true;
	if (!r->has_srs_key && srs_key(d->state, r->srs_key) == -1)
		return false;
	r->has_srs_key = true;
	if (!srs_rewrite(&d->envelope->sender, &sender, to->forwarder, r->srs_key, time(NULL)))
		log_notice("a sender too long to rewrite: sent on as it is");
	return true;
}

/* A forwarded message is reported to its sender by the rules, not by this recipient's. */
static void
add_recipient(struct envelope *e, const struct remote *m, const struct recipient *r,
              const struct destination *to)
{
	struct envelope_to *out = &e->to[e->n++];

	memset(out, 0, sizeof *out);
	out->address = m->address;
	out->state = to->kind == QUEUE_REPORT ? ENVELOPE_DELIVERED :
	             to->kind == QUEUE_HOLD   ? ENVELOPE_HELD : ENVELOPE_TODO;
	out->notify = r->notify;
	(void)text_copy(out->orcpt, sizeof out->orcpt, r->orcpt); /* as long as its source */
}

bool
dispatch_fill(struct delivery *d, unsigned i)
{
	const struct targets *t = d->targets;
	const struct destination *to = &t->destinations[i];
	struct envelope *e = d->envelope;

	e->n = 0;
	for (unsigned k = 0; k < t->n_remotes; k++) {
		const struct remote *m = &t->remotes[k];

		if (m->destination != i)
			continue;
		if (e->n == LIMIT_RECIPIENTS) {
			errno = E2BIG;
			return false;
		}
		add_recipient(e, m, &d->recipients[m->recipient], to);
	}
	return set_id(e, d->id, to, i) && set_sender(d, to);
}

void
dispatch_notify(const struct delivery *d, const struct helper_door *flush)
{
	const struct targets *t = d->targets;

	for (unsigned i = 0; i < t->n_destinations; i++)
		if (t->destinations[i].queue && t->destinations[i].outcome == ANSWER_YES)
			helper_tell(flush, t->destinations[i].path + strlen("spool/"));
}
