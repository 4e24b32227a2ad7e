/*
 * See deliver.h; DESIGN.md, "Commit order", is this file in words. Every failure
 * before the last sync takes the links back: the client has not seen a 250.
 */
#include "keeper/deliver.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "keeper/dispatch.h"
#include "keeper/maildir.h"
#include "keeper/queue.h"
#include "keeper/quota.h"

/* Up to so many directories are synced one by one, more by one syncfs. */
#define FEW 8

static enum answer
answer_for(int err)
{
	return err == ENOSPC || err == EDQUOT ? ANSWER_NO_SPACE : ANSWER_ERROR;
}

static enum answer
failed(const char *what, const char *path)
{
	enum answer a = answer_for(errno);
	struct log_line l;

	log_start(&l, "error");
	log_field(&l, "what", what);
	log_field(&l, "error", strerror(errno));
	log_field(&l, "mailbox", path);
	log_send(&l, LOG_LEVEL_ERROR);
	return a;
}

/*
 * Limits with the size that is known now. One SMTP reply cannot refuse one of several
 * mailboxes: those had room at RCPT, and may pass their quota by this one message.
 */
static enum answer
check(const struct delivery *d, const struct destination *to, const char *name)
{
	/* Where a commit that was cut off has put it, it is counted already. */
	if (to->queue || (d->again && maildir_has(d->state, to->path, name)))
		return ANSWER_YES;
	if (to->domain.size != 0 && d->size > to->domain.size + LIMIT_TRACE)
		return ANSWER_TOO_BIG;
	if (!d->each_alone && d->targets->n_destinations > 1)
		return ANSWER_YES;
	return quota_check(d->state, to->path, &to->domain, d->size);
}

enum answer
deliver_outcome(const struct targets *t, const struct recipient *r)
{
	for (unsigned i = r->first; i < r->first + r->n; i++) {
		enum answer a = t->destinations[t->links[i]].outcome;

		if (a != ANSWER_YES)
			return a;
	}
	return ANSWER_YES;
}

static void
refuse_all(struct targets *t, enum answer why)
{
	for (unsigned i = 0; i < t->n_destinations; i++)
		t->destinations[i].outcome = why;
}

/* A destination that may not have it: alone, or all with it. */
static bool
is_refused(struct delivery *d, unsigned i, enum answer a)
{
	if (a == ANSWER_YES)
		return false;
	if (d->each_alone)
		d->targets->destinations[i].outcome = a;
	else
		refuse_all(d->targets, a);
	return true;
}

static bool
check_all(struct delivery *d, const char *name)
{
	bool any = false;

	for (unsigned i = 0; i < d->targets->n_destinations; i++) {
		if (!is_refused(d, i, check(d, &d->targets->destinations[i], name)))
			any = true;
		else if (!d->each_alone)
			return false;
	}
	return any;
}

/* Links into one mailbox; on success *new is its open directory. */
static enum answer
link_into_mailbox(struct delivery *d, const struct destination *to, const char *name, int *new)
{
	*new = maildir_open_new(d->state, to->path);
	if (*new == -1)
		return failed("open Maildir", to->path);
	/* A commit that was cut off has linked it; a sync of new/ is all that may be due. */
	if (d->again && maildir_has(d->state, to->path, name))
		return ANSWER_YES;
	if (message_link(d->message, *new, name) == -1) {
		enum answer a = failed("link message", to->path);

		(void)close(*new); /* nothing written */
		return a;
	}
	return ANSWER_YES;
}

static enum answer
link_into(struct delivery *d, unsigned i, const char *name, int *new)
{
	const struct destination *to = &d->targets->destinations[i];

	if (!to->queue)
		return link_into_mailbox(d, to, name, new);
	if (!dispatch_fill(d, i) ||
	    queue_put(d->state, d->tmp, to->path, d->message, d->envelope, d->again,
	              new) == -1)
		return failed("queue message", to->path);
	return ANSWER_YES;
}

static void
unlink_from(struct delivery *d, unsigned i, const char *name)
{
	const struct destination *to = &d->targets->destinations[i];
	int dir = mailbox_open(d->state, to->path, to->queue ? "" : "/Maildir/new",
	                       O_RDONLY | O_DIRECTORY);

	if (dir == -1)
		return;
	/* A reader that has moved it already keeps it; the client will send again. */
	if (!to->queue)
		(void)unlinkat(dir, name, 0);
	else if (dispatch_fill(d, i))
		queue_take_back(dir, d->envelope->id);
	(void)close(dir);
}

static void
take_back(struct delivery *d, const char *name, unsigned end, enum answer why)
{
	struct targets *t = d->targets;

	for (unsigned i = 0; i < end; i++)
		if (t->destinations[i].outcome == ANSWER_YES)
			unlink_from(d, i, name);
	for (unsigned i = 0; i < t->n_destinations; i++)
		if (!d->each_alone || t->destinations[i].outcome == ANSWER_YES)
			t->destinations[i].outcome = why;
}

/*
 * LMTP: a recipient that fails will be sent again, so none of its mailboxes may keep
 * the message, but where a recipient that does not fail has it, too.
 */
static void
withdraw_partial(struct delivery *d, const char *name)
{
	bool wanted[LIMIT_DESTINATIONS] = { false };
	struct targets *t = d->targets;

	for (unsigned k = 0; k < d->n_recipients; k++) {
		const struct recipient *r = &d->recipients[k];

		if (deliver_outcome(t, r) == ANSWER_YES)
			for (unsigned i = r->first; i < r->first + r->n; i++)
				wanted[t->links[i]] = true;
	}
	for (unsigned k = 0; k < d->n_recipients; k++) {
		const struct recipient *r = &d->recipients[k];
		enum answer why = deliver_outcome(t, r);

		for (unsigned i = r->first; i < r->first + r->n && why != ANSWER_YES; i++) {
			struct destination *to = &t->destinations[t->links[i]];

			if (to->outcome != ANSWER_YES || wanted[t->links[i]])
				continue;
			if (name != NULL)
				unlink_from(d, t->links[i], name);
			to->outcome = why;
		}
	}
}

/* Makes every link, and syncs a few directories as it goes. */
static void
link_all(struct delivery *d, const char *name)
{
	struct targets *t = d->targets;
	bool few = t->n_destinations <= FEW;
	int dirs[FEW];
	unsigned n = 0;
	enum answer why = ANSWER_YES;
	unsigned i;

	for (i = 0; i < t->n_destinations && why == ANSWER_YES; i++) {
		struct destination *to = &t->destinations[i];
		int new;

		if (to->outcome != ANSWER_YES)
			continue;
		to->outcome = link_into(d, i, name, &new);
		if (to->outcome != ANSWER_YES) {
			why = d->each_alone ? ANSWER_YES : to->outcome;
			continue;
		}
		if (few)
			dirs[n++] = new;
		else
			(void)close(new); /* syncfs below */
	}
	if (d->each_alone)
		withdraw_partial(d, name);
	/* All links first: one journal commit carries them all. */
	for (unsigned k = 0; k < n; k++) {
		if (why == ANSWER_YES && fsync(dirs[k]) == -1)
			why = failed("sync Maildir", "");
		(void)close(dirs[k]); /* its fsync has told */
	}
	if (!few && why == ANSWER_YES && syncfs(d->message->read_fd) == -1)
		why = failed("syncfs", "");
	if (why != ANSWER_YES)
		take_back(d, name, i, why);
}

static void
name_message(const struct delivery *d, char name[LIMIT_NAME + 1])
{
	struct text t;

	if (d->name == NULL) {
		maildir_name(name, d->host, d->size);
		return;
	}
	text_init(&t, name, LIMIT_NAME + 1);
	text_add(&t, d->name);
	maildir_add_size(&t, d->size);
}

void
deliver(struct delivery *d)
{
	char name[LIMIT_NAME + 1];
	struct targets *t = d->targets;

	name_message(d, name);
	if (!check_all(d, name))
		return;
	if (d->each_alone)
		withdraw_partial(d, NULL);
	if (message_sync(d->message) == -1) {
		refuse_all(t, failed("sync message", ""));
		return;
	}
	link_all(d, name);
	/* With again who counted before is not known; a mailbox that seems full is counted anew. */
	for (unsigned i = 0; i < t->n_destinations && !d->again; i++)
		if (t->destinations[i].outcome == ANSWER_YES && !t->destinations[i].queue)
			quota_add(d->state, t->destinations[i].path,
			          &t->destinations[i].domain, d->size);
}
