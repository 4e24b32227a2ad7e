/*
 * HELO, EHLO, LHLO and STARTTLS: who the client says it is, and what is offered to it.
 * EHLO's answer is printed from a table.
 */
#include "session/command_own.h"

#include <string.h>

#include "session/body.h"
#include "session/demand.h"
#include "session/sasl.h"
#include "session/timed.h"
#include "session/xclient.h"

/* True and a clean slate (RFC 5321 4.1.4) when the name will do. */
static bool
greet(struct session *s, const char *name, bool esmtp)
{
	if (!is_greeting_name(name) || !text_copy(s->helo, sizeof s->helo, name))
		return false;
	if (s->have & MAIL)
		ask_abort(&s->ask);
	body_drop(s);
	session_reset(s);
	s->have |= HELLO;
	s->sender.esmtp = esmtp;
	return true;
}

const struct reply *
command_helo(struct session *s, const char *arg)
{
	if (!greet(s, arg, false))
		return &reply_bad_name;
	(void)text_copy(s->detail, sizeof s->detail, s->setup->conf->hostname);
	return &reply_hello;
}

static void
add_size(const struct session *s, struct text *t)
{
	text_addc(t, ' ');
	text_addu(t, s->setup->size);
}

/* RFC 9422 3. */
static void
add_limits(const struct session *s, struct text *t)
{
	text_add(t, " RCPTMAX=");
	text_addu(t, s->setup->conf->recipients);
	text_add(t, " MAILMAX=");
	text_addu(t, s->setup->conf->messages);
}

static bool
is_vrfy_on(const struct session *s)
{
	return s->setup->conf->vrfy;
}

static bool
may_start_tls(const struct session *s)
{
	return s->setup->may_secure && !(s->have & TLS);
}

static const struct keyword {
	const char *name;
	void (*add)(const struct session *s, struct text *t);
	bool (*when)(const struct session *s);
} keywords[] = {
	{ "PIPELINING", NULL, NULL },          /* RFC 2920 */
	{ "SIZE", add_size, NULL },            /* RFC 1870 */
	{ "8BITMIME", NULL, NULL },            /* RFC 6152 */
	{ "ENHANCEDSTATUSCODES", NULL, NULL }, /* RFC 2034 */
	{ "CHUNKING", NULL, NULL },            /* RFC 3030 */
	{ "BINARYMIME", NULL, NULL },          /* RFC 3030 */
	{ "SMTPUTF8", NULL, NULL },            /* RFC 6531 */
	{ "LIMITS", add_limits, NULL },        /* RFC 9422 */
	{ "DSN", NULL, NULL },                 /* RFC 3461 */
	{ "CHECKPOINT", NULL, command_may_resume }, /* RFC 1845 */
	{ "DELIVERBY", timed_add_by, timed_has_by }, /* RFC 2852 */
	{ "FUTURERELEASE", timed_add_hold, timed_has_hold }, /* RFC 4865 */
	{ "MT-PRIORITY", timed_add_priority, timed_has_priority }, /* RFC 6710 */
	{ "STARTTLS", NULL, may_start_tls },   /* RFC 3207 */
	{ "AUTH", sasl_add_mechanisms, sasl_is_offered }, /* RFC 4954 */
	{ "ETRN", NULL, demand_is_offered },   /* RFC 1985 */
	{ "ATRN", NULL, demand_may_turn },     /* RFC 2645 */
	{ "VRFY", NULL, NULL },                /* RFC 5321 3.5 */
	{ "EXPN", NULL, is_vrfy_on },
	{ "XCLIENT NAME ADDR PORT PROTO HELO DESTADDR DESTPORT", NULL, xclient_is_allowed },
};

/* RFC 2645 5.1.1: what concerns messages has no place there. */
static bool
is_on_odmr(const struct keyword *k)
{
	static const char *const names[] = { "PIPELINING", "ENHANCEDSTATUSCODES", "AUTH", "ATRN" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(names[i], k->name) == 0)
			return true;
	return false;
}

const struct reply *
command_ehlo(struct session *s, const char *arg)
{
	char line[LIMIT_REPLY];
	struct text t;

	if (!greet(s, arg, true))
		return &reply_bad_name;
	session_line(s, &reply_hello, s->setup->conf->hostname);
	for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
		const struct keyword *k = &keywords[i];

		if ((k->when != NULL && !k->when(s)) ||
		    (s->setup->service == SERVICE_ODMR && !is_on_odmr(k)))
			continue;
		text_init(&t, line, sizeof line);
		text_add(&t, k->name);
		if (k->add != NULL)
			k->add(s, &t);
		session_line(s, &reply_hello, line);
	}
	(void)text_copy(s->detail, sizeof s->detail, "HELP");
	return &reply_hello;
}

const struct reply *
command_starttls(struct session *s, const char *arg)
{
	(void)arg;
	if (!may_start_tls(s))
		return &reply_no_starttls;
	if (ask_tls(&s->ask) != ANSWER_YES)
		return &reply_no_tls;
	session_send(s, &reply_go_secure);
	(void)session_secure(s); /* the client greets first, or is gone */
	return NULL;
}
