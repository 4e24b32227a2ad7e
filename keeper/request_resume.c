/* The requests of CHECKPOINT (RFC 1845); see request.h and resume.h. */
#include <string.h>

#include "base/num.h"
#include "base/transid.h"
#include "keeper/request.h"
#include "keeper/resume.h"

/* Who the client is, for the name of what it leaves behind. False: that is not known. */
static bool
name_owner(const struct keeper *k, char owner[PARTIAL_OWNER + 1])
{
	struct text t;

	text_init(&t, owner, PARTIAL_OWNER + 1);
	if (k->have & LOGIN) {
		text_add(&t, "login ");
		text_add(&t, k->login.name);
	} else {
		text_add(&t, "address ");
		ip_text(&t, &k->own.job.client);
	}
	return text_ok(&t) && (k->have & LOGIN || k->own.job.client.known);
}

static bool
is_offered(const struct keeper *k)
{
	return k->own.job.service != SERVICE_LMTP &&
	       (k->own.conf->checkpoint == CHECKPOINT_ALL ||
	        (k->own.conf->checkpoint == CHECKPOINT_LOGIN && k->have & LOGIN));
}

/* The first recipients: the session compares the message's Delivered-To lines with them. */
static void
say_recipients(struct keeper *k)
{
	const struct transaction *t = &k->transaction;

	for (unsigned i = 0; i < t->n_recipients && i < LIMIT_LOOP; i++)
		request_say_address(k, &t->recipients[i].address);
}

static bool
say_resumed(struct keeper *k)
{
	const struct transaction *t = &k->transaction;
	bool whole;
	uint64_t offset = resume_offset(t, &whole);

	k->have |= RECIPIENT;
	say_recipients(k);
	packet_start(&k->out, ANSWER_RESUME);
	packet_addu(&k->out, offset);
	packet_addu(&k->out, t->partial.file.recipients);
	packet_addu(&k->out, t->limit);
	packet_add(&k->out, whole ? "whole" : "");
	return request_reply(k, -1);
}

bool
resume_do_transid(struct keeper *k)
{
	const char *transid = k->in.field[0];
	char owner[PARTIAL_OWNER + 1];
	enum answer a = ANSWER_YES;

	if (!is_offered(k) || !is_transid(transid))
		return false;
	if (name_owner(k, owner))
		a = resume_find(&k->transaction, owner, transid);
	if (a == ANSWER_RESUME)
		return say_resumed(k);
	if (a != ANSWER_YES)
		request_end_transaction(k);
	return request_say(k, a);
}

bool
resume_do_note(struct keeper *k)
{
	uint64_t written, canonical;

	return parse_u64(k->in.field[0], UINT64_MAX, &written) &&
	       parse_u64(k->in.field[1], UINT64_MAX, &canonical) &&
	       resume_note(&k->transaction, written, canonical);
}

bool
resume_do_park(struct keeper *k)
{
	request_end_transaction(k);
	return true;
}

static bool
is_recipient(const struct transaction *t, const struct address *a)
{
	/* Read when it was found. */
	const struct envelope *e = &t->envelope;

	for (unsigned i = 0; i < e->n; i++)
		if (strcmp(e->to[i].address.local, a->local) == 0 &&
		    strcasecmp(e->to[i].address.domain, a->domain) == 0)
			return true;
	return false;
}

enum answer
resume_recipient(struct transaction *t, const struct address *a)
{
	enum answer why;

	if (is_recipient(t, a))
		return ANSWER_YES;
	/* Who was refused hears why once more; nobody can join. */
	why = transaction_try(t, a);
	return why == ANSWER_YES ? ANSWER_FIXED : why;
}
