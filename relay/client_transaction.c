/*
 * See client_transaction.h. Commands go into a queue as they are written; their replies
 * are read in order.
 */
#include "relay/client_transaction.h"

#include <string.h>

#include "relay/client_resume.h"

bool
transaction_offers(const struct transaction *t, unsigned extension)
{
	return (t->c->offer.have & extension) != 0;
}

bool
is_transaction_alive(const struct transaction *t)
{
	return t->c->io.trouble == CLIENT_FINE && !t->c->unusable;
}

static void
report(struct transaction *t, unsigned i, const struct client_verdict *v)
{
	struct client_to *to = &t->m->to[i];

	if (to->state == TO_DONE || t->c->io.trouble == CLIENT_ABANDONED)
		return;
	to->state = TO_DONE;
	t->report(t->arg, i, v);
}

void
transaction_report(struct transaction *t, const struct client_verdict *v,
                   bool only_taken)
{
	for (unsigned i = 0; i < t->m->n; i++)
		if (!only_taken || t->m->to[i].state == TO_TAKEN)
			report(t, i, v);
}

void
transaction_reject(struct transaction *t, const char *enhanced, const char *text,
                   const char *more)
{
	struct client_verdict v;

	client_verdict_local(&v, enhanced, text, more);
	transaction_report(t, &v, false);
}

void
transaction_lose(struct transaction *t, const struct client_verdict *v)
{
	t->c->unusable = true;
	transaction_report(t, v, false);
}

void
transaction_lose_by_trouble(struct transaction *t, const char *step)
{
	struct client_verdict v;

	if (client_resume_cut(t))
		return;
	client_verdict_trouble(&v, t->c->io.trouble, step);
	transaction_lose(t, &v);
}

static void
fail_taken(struct transaction *t, const struct client_reply *r)
{
	if (!t->failed)
		client_verdict_reply(&t->verdict, r, false);
	t->failed = true;
}

/*
 * RFC 5321 4.5.3.1.10: too many recipients, which some say with 552. Not when even the
 * first is one too many.
 */
static bool
is_too_many(struct transaction *t, const struct client_reply *r)
{
	if (t->taken == 0 || (r->code != 452 && r->code != 552))
		return false;
	return strcmp(r->enhanced + 1, ".5.3") == 0 ||
	       (strcmp(r->enhanced + 1, ".0.0") == 0 &&
	        (r->code == 452 || t->taken >= LIMIT_HOP_RECIPIENTS));
}

static void
hear_rcpt(struct transaction *t, unsigned i, const struct client_reply *r)
{
	struct client_verdict v;

	if (!t->mail_taken)
		return; /* MAIL was refused: that is what counts */
	if (client_reply_class(r) == 2 && t->m->to[i].state == TO_WAITS) {
		t->m->to[i].state = TO_TAKEN;
		t->taken++;
	} else if (!is_too_many(t, r)) {
		client_verdict_reply(&v, r, false);
		report(t, i, &v);
	}
}

static const char *
step_name(enum command what)
{
	static const char *const names[] = {
		[SAID_RSET] = "RSET",
		[SAID_MAIL] = "MAIL",
		[SAID_RCPT] = "RCPT",
		[SAID_DATA] = "DATA",
		[SAID_CHUNK] = "BDAT",
		[SAID_LAST] = "the end of the message, which may have been taken",
	};

	return names[what];
}

/* The reply to all of a message; LMTP has one for each recipient (RFC 2033 4.2). */
static void
hear_final(struct transaction *t, const struct client_reply *r)
{
	struct client_reply next;
	struct client_verdict v;

	/* RFC 5321 4.1.1.4: all is forgotten with the end of data; RFC 3030 2: not so here. */
	t->c->needs_reset = transaction_offers(t, EXT_CHUNKING) && client_reply_class(r) != 2;
	client_verdict_reply(&v, r, true);
	if (!t->c->lmtp || t->taken == 0) {
		transaction_report(t, t->failed ? &t->verdict : &v, true);
		return;
	}
	for (unsigned i = t->first; i < t->end; i++) {
		if (t->m->to[i].state != TO_TAKEN)
			continue;
		report(t, i, &v);
		if (--t->taken == 0)
			break;
		client_deadline(&t->c->io, t->c->final_seconds);
		if (!client_reply_read(&t->c->io, &next, NULL, NULL)) {
			transaction_lose_by_trouble(t, step_name(SAID_LAST));
			break;
		}
		t->c->unusable |= next.code == 421;
		client_verdict_reply(&v, &next, true);
	}
}

/* No reason to give the message back: it has not been offered yet. */
static void
fail_reset(struct transaction *t, const struct client_reply *r)
{
	client_verdict_local(&t->verdict, "4.5.0", "RSET was refused: ", r->text);
	transaction_lose(t, &t->verdict);
}

static void
hear(struct transaction *t, enum command what, unsigned to, const struct client_reply *r)
{
	unsigned class = client_reply_class(r);

	switch (what) {
	case SAID_RSET:
		if (class != 2)
			fail_reset(t, r);
		break;
	case SAID_MAIL:
		if (client_resume_hear(t, r))
			break;
		t->mail_taken = class == 2 && !t->failed;
		t->c->needs_reset = class == 2;
		if (class != 2)
			fail_taken(t, r);
		break;
	case SAID_RCPT:
		hear_rcpt(t, to, r);
		break;
	case SAID_DATA:
		t->go = class == 3;
		if (class != 3)
			fail_taken(t, r);
		t->c->unusable |= class == 2;
		break;
	case SAID_CHUNK:
		if (class != 2 && !client_resume_hear_chunk(t, r))
			fail_taken(t, r);
		break;
	case SAID_LAST:
		if (!client_resume_hear_chunk(t, r))
			hear_final(t, r);
		break;
	}
}

/* RFC 5321 3.8: after a 421 the peer closes; nothing that follows was or will be done. */
static void
hear_goodbye(struct transaction *t, const struct client_reply *r)
{
	struct client_verdict v;

	if (client_resume_cut(t))
		return;
	client_verdict_reply(&v, r, false);
	transaction_lose(t, &v);
}

bool
transaction_settle(struct transaction *t)
{
	struct client *c = t->c;
	struct client_reply r;

	client_deadline(&c->io, c->reply_seconds);
	(void)client_flush(&c->io); /* a peer that has closed may have said why */
	for (unsigned i = 0; i < t->n_said; i++) {
		enum command what = t->said[i].what;

		client_deadline(&c->io, what == SAID_LAST ? c->final_seconds : c->reply_seconds);
		if (!client_reply_read(&c->io, &r, NULL, NULL)) {
			transaction_lose_by_trouble(t, step_name(what));
			break;
		}
		if (r.code == 421) {
			hear_goodbye(t, &r);
			break;
		}
		hear(t, what, t->said[i].to, &r);
		if (!is_transaction_alive(t))
			break; /* all have been told why */
	}
	t->n_said = 0;
	if (c->io.trouble != CLIENT_FINE)
		transaction_lose_by_trouble(t, "a reply");
	return is_transaction_alive(t);
}
