/* MAIL and RCPT: a message's sender, its recipients, and where one is resumed. */
#include "session/command_own.h"

#include "session/path.h"
#include "session/timed.h"

/* On submission a login comes before MAIL, so a client may hear of it before. */
bool
command_may_resume(const struct session *s)
{
	enum checkpoint to = s->setup->conf->checkpoint;

	return s->setup->service != SERVICE_LMTP &&
	       (to == CHECKPOINT_ALL ||
	        (to == CHECKPOINT_LOGIN &&
	         (s->have & LOGIN || is_submission(s->setup->service))));
}

/* A recipient is compared with the message's Delivered-To lines. */
static void
remember(void *context, const char *address)
{
	struct session *s = context;

	if (s->recipients < LIMIT_LOOP)
		s->known[s->recipients] = hops_hash(address);
	s->recipients++;
}

/* RFC 1845: MAIL's last step. What was interrupted goes on where it was. */
static const struct reply *
resume(struct session *s, const char *transid)
{
	struct restart *c = &s->checkpoint;
	struct text t;
	enum answer a = ask_transid(&s->ask, transid, &c->at, remember, s);

	if (a != ANSWER_YES && a != ANSWER_RESUME)
		return session_refused(s, a);
	c->on = true;
	s->have |= MAIL;
	if (a == ANSWER_YES)
		return &reply_sender_ok;
	c->resumed = true;
	s->recipients = c->at.recipients;
	s->limit = c->at.limit;
	s->have |= RCPT;
	text_init(&t, s->detail, sizeof s->detail);
	text_addu(&t, c->at.offset);
	text_add(&t, " is the transaction offset");
	return &reply_offset;
}

const struct reply *
command_mail(struct session *s, const char *arg)
{
	struct sender *from = &s->sender;
	struct mail_parameters params;
	const struct reply *wrong = path_read_mail(arg, &from->address, &params);
	enum answer a;

	if (wrong != NULL)
		return wrong;
	if (params.transid[0] != '\0' && !command_may_resume(s))
		return &reply_unknown_parameter;
	if (params.size > s->setup->size)
		return &reply_too_big;
	wrong = timed_object(s, &params);
	if (wrong != NULL)
		return wrong;
	from->helo = s->xclient_helo[0] != '\0' ? s->xclient_helo : s->helo;
	from->size = params.size;
	from->smtputf8 = params.smtputf8;
	from->eight_bit = params.eight_bit;
	from->binary = params.binary;
	a = ask_begin(&s->ask, from, params.auth);
	if (a == ANSWER_TOO_MANY)
		return &reply_too_many_messages;
	if (a != ANSWER_YES)
		return session_refused(s, a);
	if (params.ret[0] != '\0' || params.envid[0] != '\0')
		ask_return(&s->ask, params.ret, params.envid);
	wrong = timed_begin(s, &params);
	if (wrong != NULL && wrong->code != reply_sender_ok.code)
		return wrong;
	s->limit = s->setup->size;
	if (params.transid[0] != '\0') {
		s->detail[0] = '\0'; /* 355 says something else */
		return resume(s, params.transid);
	}
	s->have |= MAIL;
	return wrong != NULL ? wrong : &reply_sender_ok;
}

const struct reply *
command_rcpt(struct session *s, const char *arg)
{
	struct address to;
	struct rcpt_parameters params;
	const struct reply *wrong = path_read_rcpt(arg, s->sender.smtputf8, &to, &params);
	char address[LIMIT_ADDRESS + 1];
	struct text t;
	uint64_t limit;
	enum answer a;

	if (wrong != NULL)
		return wrong;
	if (params.notify != 0 || params.orcpt[0] != '\0')
		ask_notify(&s->ask, params.notify, params.orcpt);
	a = ask_recipient(&s->ask, &to, &limit);
	if (a != ANSWER_YES)
		return session_refused(s, a);
	if (s->checkpoint.resumed)
		return &reply_recipient_ok; /* it was accepted before */
	text_init(&t, address, sizeof address);
	address_text(&t, &to);
	remember(s, address);
	s->have |= RCPT;
	if (limit < s->limit)
		s->limit = limit;
	return &reply_recipient_ok;
}
