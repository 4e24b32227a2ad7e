/*
 * See resume.h. The states of a transaction on disk, and what a crash between two steps
 * means, are in DESIGN.md ("partial/"). This file has the steps in their order.
 */
#include "keeper/resume.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "keeper/partial.h"

static void
log_resume(const struct transaction *t, const char *event, uint64_t offset)
{
	struct log_line l;

	log_start(&l, event);
	log_field(&l, "id", t->id);
	log_field(&l, "transid", t->partial.file.transid);
	log_number(&l, "offset", offset);
	log_send(&l, LOG_LEVEL_INFO);
}

/* Nothing can be kept: the message goes on like any other. */
static enum answer
do_without(struct transaction *t, const char *why, int err)
{
	if (err != 0)
		log_error(why, err);
	else
		log_notice(why);
	partial_close(&t->partial);
	return ANSWER_YES;
}

/* The same message, as far as MAIL tells? */
static bool
is_same(const struct transaction *t, const struct envelope *e)
{
	uint64_t size = t->partial.file.size;

	return strcmp(e->sender.local, t->from.sender.local) == 0 &&
	       strcmp(e->sender.domain, t->from.sender.domain) == 0 &&
	       e->body == t->from.body && e->utf8 == t->from.smtputf8 &&
	       (size == 0 || t->from.size == 0 || size == t->from.size);
}

/* Its recipients again; their mailboxes are looked up now. */
static enum answer
add_recipients(struct transaction *t, const struct envelope *e)
{
	enum answer a = ANSWER_YES;

	/* There was room at RCPT; the commit looks again. */
	t->resolver->ignore_quota = true;
	for (unsigned i = 0; i < e->n && a == ANSWER_YES; i++)
		a = transaction_add(t, &e->to[i].address, e->to[i].notify, e->to[i].orcpt);
	t->resolver->ignore_quota = false;
	return a;
}

/* What RCPT and RET have told before; t is as if they had told it now. */
static enum answer
recall(struct transaction *t)
{
	struct envelope *e = &t->envelope;
	enum answer a;
	int r = partial_envelope(&t->partial, e);

	if (r == -1)
		return ANSWER_ERROR;
	if (r == 0 || !is_same(t, e))
		return ANSWER_DENIED;
	/* Times count from the first MAIL. */
	t->from.by = e->by;
	t->from.release = e->release;
	t->from.hold_for = e->hold_for;
	t->from.priority = e->priority;
	a = add_recipients(t, e);
	if (a != ANSWER_YES)
		return a;
	t->skip = e->skip;
	t->trace_len = e->size;
	t->from.ret = e->ret;
	/* All are as long as their sources. */
	(void)text_copy(t->from.envid, sizeof t->from.envid, e->envid);
	(void)text_copy(t->from.auth, sizeof t->from.auth, e->auth);
	return ANSWER_YES;
}

/* Delivered: who had it does not matter any more, but it must be this message. */
static enum answer
recall_done(struct transaction *t)
{
	int r = partial_envelope(&t->partial, &t->envelope);

	if (r != 1 || !is_same(t, &t->envelope))
		return r == -1 ? ANSWER_ERROR : ANSWER_DENIED;
	t->partial.resumed = true;
	return ANSWER_YES;
}

/* A recipient is gone, or it is another message: the client is to begin anew. */
static enum answer
begin_anew(struct transaction *t)
{
	partial_discard(&t->partial);
	transaction_forget_recipients(t);
	return ANSWER_YES;
}

static enum answer
resume_found(struct transaction *t)
{
	struct partial *p = &t->partial;
	char id[LIMIT_ID + 1];
	enum answer a = ANSWER_YES;

	(void)text_copy(id, sizeof id, t->id); /* as long */
	if (p->file.mark.state == PARTIAL_DONE)
		a = recall_done(t);
	else
		a = recall(t);
	if (a == ANSWER_ERROR || a == ANSWER_NO_SPACE)
		return ANSWER_ERROR;
	if (a != ANSWER_YES)
		return begin_anew(t);
	if (!p->resumed && partial_resume(p, t->trace_len, t->from.body != BODY_BINARYMIME,
	                                  id) == -1) {
		if (errno == ENOENT)
			return begin_anew(t);
		log_error("resume a message in STATE/partial", errno);
		return errno == ENOSPC || errno == EDQUOT ? ANSWER_NO_SPACE : ANSWER_ERROR;
	}
	(void)text_copy(t->id, sizeof t->id, p->file.id); /* as long */
	t->base = p->octets != 0 ? p->octets : t->trace_len;
	log_resume(t, "resumed", p->file.mark.canonical);
	return ANSWER_RESUME;
}

enum answer
resume_find(struct transaction *t, const char *owner, const char *transid)
{
	struct partial *p = &t->partial;

	if (partial_open(p, t->setup->state, owner, t->from.helo, transid) == -1)
		return do_without(t, "open STATE/partial", errno);
	p->file.size = t->from.size;
	switch (partial_find(p)) {
	case PARTIAL_FOUND:
		break;
	case PARTIAL_NEW:
		return ANSWER_YES;
	case PARTIAL_BUSY:
		return ANSWER_BUSY;
	case PARTIAL_ERROR:
		return do_without(t, "read STATE/partial", errno);
	}
	return resume_found(t);
}

uint64_t
resume_offset(const struct transaction *t, bool *whole)
{
	*whole = t->partial.file.mark.state != PARTIAL_RECEIVING;
	return t->partial.file.mark.canonical;
}

static bool
publish(struct transaction *t)
{
	struct envelope *e = &t->envelope;

	transaction_fill_envelope(t, t->trace_len);
	(void)text_copy(e->id, sizeof e->id, t->id); /* as long */
	e->sender = t->from.sender;
	e->n = t->n_recipients;
	for (unsigned i = 0; i < e->n; i++) {
		struct envelope_to *to = &e->to[i];

		memset(to, 0, sizeof *to);
		to->address = t->recipients[i].address;
		to->state = ENVELOPE_TODO;
		to->notify = t->recipients[i].notify;
		(void)text_copy(to->orcpt, sizeof to->orcpt, t->recipients[i].orcpt);
	}
	return partial_publish(&t->partial, e) == 0;
}

/* The data file becomes the message, with its descriptors. */
static void
take_file(struct transaction *t)
{
	t->message = t->partial.data;
	message_init(&t->partial.data);
}

/*
 * Between MAIL and now another connection may have begun the same: whoever connected later
 * has it, since the client of the other one is gone. Ids begin with the time.
 */
static bool
is_ours_to_create(struct transaction *t)
{
	struct partial *p = &t->partial;

	switch (partial_find(p)) {
	case PARTIAL_NEW:
		return true;
	case PARTIAL_FOUND:
		if (strcmp(p->file.id, t->id) > 0)
			return false;
		partial_discard(p);
		return true;
	case PARTIAL_BUSY:
	case PARTIAL_ERROR:
		break;
	}
	return false;
}

/* A new transaction gets its files. */
static bool
create(struct transaction *t)
{
	struct partial *p = &t->partial;
	int err = 0;

	if (!partial_enter(p) || !is_ours_to_create(t)) {
		(void)do_without(t, "another connection has begun the same transaction", 0);
		return false;
	}
	p->file.size = t->from.size;
	if (!partial_has_room(p, t->from.size)) {
		(void)do_without(t, "STATE/partial is full: this message can't be resumed", 0);
		return false;
	}
	if (partial_create(p, t->id, t->setup->conf->hostname) == 0) {
		take_file(t);
		if (transaction_write_trace(t) == 0 && publish(t)) {
			partial_leave(p);
			return true;
		}
		err = errno;
		message_discard(&t->message);
	}
	(void)do_without(t, "make a message in STATE/partial", err != 0 ? err : errno);
	return false;
}

bool
resume_open(struct transaction *t)
{
	struct partial *p = &t->partial;

	if (p->dir == -1)
		return false;
	if (!p->resumed)
		return create(t);
	/* Of a message that is whole nothing is to come: what does goes into a file in tmp/. */
	if (p->file.mark.state != PARTIAL_RECEIVING)
		return false;
	take_file(t);
	return true;
}

bool
resume_note(struct transaction *t, uint64_t written, uint64_t canonical)
{
	struct partial *p = &t->partial;

	if (p->dir == -1 || p->file.mark.state != PARTIAL_RECEIVING)
		return true; /* nothing is kept, or all is there */
	return written <= LIMIT_MESSAGE && canonical <= LIMIT_MESSAGE &&
	       partial_note(p, &t->message, t->base + written, canonical);
}

/* All of it is there: says so on disk, before the first link is made. */
static enum answer
begin_commit(struct transaction *t, struct delivery *d)
{
	struct partial *p = &t->partial;

	if (d->size != p->octets)
		return ANSWER_DENIED; /* the session's last word was another */
	if (message_sync(&t->message) == -1 || partial_set(p, PARTIAL_COMMITTING) == -1) {
		log_error("begin a commit in STATE/partial", errno);
		return ANSWER_ERROR;
	}
	return ANSWER_YES;
}

enum answer
resume_commit(struct transaction *t, struct delivery *d)
{
	struct partial *p = &t->partial;
	enum partial_state state = p->file.mark.state;

	if (p->dir == -1)
		return ANSWER_YES;
	switch (partial_lock(p)) {
	case 0:
		log_resume(t, "superseded", p->canonical);
		return ANSWER_TAKEN;
	case -1:
		return ANSWER_BUSY;
	default:
		break;
	}
	d->name = p->file.name;
	d->again = p->again;
	if (state == PARTIAL_RECEIVING)
		return begin_commit(t, d);
	if (d->size != 0)
		return ANSWER_COMPLETE;
	if (state == PARTIAL_DONE) {
		log_resume(t, "repeated", p->canonical);
		return ANSWER_OUTCOMES;
	}
	message_discard(&t->message);
	take_file(t);
	d->size = p->octets;
	return ANSWER_YES;
}

/* True for a refusal that every other try would meet. */
static bool
is_final(enum answer a)
{
	return a == ANSWER_TOO_BIG || a == ANSWER_NEVER_FITS;
}

void
resume_done(struct transaction *t, enum answer a)
{
	struct partial *p = &t->partial;

	if (p->dir == -1)
		return;
	if (is_final(a))
		resume_discard(t);
	if (a != ANSWER_YES)
		return;
	/* A crash before this is on disk: the next commit finds what this one has linked. */
	if (partial_set(p, PARTIAL_DONE) == -1)
		log_error("end a commit in STATE/partial", errno);
	else
		partial_drop_data(p);
}

void
resume_discard(struct transaction *t)
{
	if (t->partial.dir != -1)
		partial_discard(&t->partial);
}

void
resume_leave(struct transaction *t)
{
	struct partial *p = &t->partial;

	if (p->dir == -1)
		return;
	if (t->message.dir == p->dir)
		message_leave(&t->message);
	partial_close(p);
}
