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

/* help: of what is no command by itself; something that can be typed. */
static const struct keyword {
	const char *name;
	void (*add)(const struct session *s, struct text *t);
	bool (*when)(const struct session *s);
	const char *help;
} keywords[] = {
	{ "PIPELINING", NULL, NULL, NULL },          /* RFC 2920 */
	{ "SIZE", add_size, NULL,               /* RFC 1870 */
	  "SIZE: MAIL FROM:<you@example.org> SIZE=20000 says how many octets will come" },
	{ "8BITMIME", NULL, NULL, NULL },            /* RFC 6152 */
	{ "ENHANCEDSTATUSCODES", NULL, NULL, NULL }, /* RFC 2034 */
	{ "CHUNKING", NULL, NULL, NULL },            /* RFC 3030 */
	{ "BINARYMIME", NULL, NULL, NULL },          /* RFC 3030 */
	{ "SMTPUTF8", NULL, NULL, NULL },            /* RFC 6531 */
	{ "LIMITS", add_limits, NULL,           /* RFC 9422 */
	  "LIMITS: at most RCPTMAX recipients of a message, MAILMAX messages of a connection" },
	{ "DSN", NULL, NULL,                    /* RFC 3461 */
	  "DSN: MAIL FROM:<you@example.org> RET=HDRS ENVID=a1, then RCPT TO:<them@example.org> "
	  "NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;them@example.org, or NOTIFY=NEVER: which "
	  "reports you want" },
	{ "CHECKPOINT", NULL, command_may_resume, /* RFC 1845 */
	  "CHECKPOINT: MAIL FROM:<you@example.org> TRANSID=<1.2026@example.org>; when the "
	  "connection breaks, say the same in the next one: 355 tells how many octets are here, "
	  "then DATA or BDAT and the rest" },
	{ "DELIVERBY", timed_add_by, timed_has_by, /* RFC 2852 */
	  "DELIVERBY: MAIL FROM:<you@example.org> BY=3600;R delivers within an hour or returns "
	  "it, BY=3600;N tells you of a delay; with T behind R or N each relay is told of" },
	{ "FUTURERELEASE", timed_add_hold, timed_has_hold, /* RFC 4865 */
	  "FUTURERELEASE: MAIL FROM:<you@example.org> HOLDFOR=3600 sends it in an hour, "
	  "HOLDUNTIL=2026-12-24T18:00:00Z at that time; on submission, after AUTH" },
	{ "MT-PRIORITY", timed_add_priority, timed_has_priority, /* RFC 6710 */
	  "MT-PRIORITY: MAIL FROM:<you@example.org> MT-PRIORITY=-3; from -9 to 9, what has more "
	  "is sent first" },
	{ "STARTTLS", NULL, may_start_tls, NULL },   /* RFC 3207 */
	{ "AUTH", sasl_add_mechanisms, sasl_is_offered, NULL }, /* RFC 4954 */
	{ "ETRN", NULL, demand_is_offered, NULL },   /* RFC 1985 */
	{ "ATRN", NULL, demand_may_turn, NULL },     /* RFC 2645 */
	{ "VRFY", NULL, NULL, NULL },                /* RFC 5321 3.5 */
	{ "EXPN", NULL, is_vrfy_on, NULL },
	{ "XCLIENT NAME ADDR PORT PROTO HELO DESTADDR DESTPORT", NULL, xclient_is_allowed, NULL },
};

#define N_KEYWORDS (sizeof keywords / sizeof keywords[0])

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

static bool
is_explained(const struct session *s, const struct keyword *k)
{
	if (k->help == NULL || (s->setup->service == SERVICE_ODMR && !is_on_odmr(k)))
		return false;
	/* Elsewhere a login may be all that is missing. */
	return s->setup->service != SERVICE_LMTP || k->when == NULL || k->when(s);
}

bool
command_help_extension(const struct session *s, const char *name, struct text *t)
{
	for (const struct keyword *k = keywords; k < keywords + N_KEYWORDS; k++)
		if (strcasecmp(k->name, name) == 0 && is_explained(s, k)) {
			text_add(t, k->help);
			if (k->when != NULL && !k->when(s))
				text_add(t, " (not offered to you now)");
			return true;
		}
	return false;
}

void
command_help_extensions(const struct session *s, struct text *t)
{
	for (const struct keyword *k = keywords; k < keywords + N_KEYWORDS; k++)
		if (is_explained(s, k)) {
			text_addc(t, ' ');
			text_add(t, k->name);
		}
}

const struct reply *
command_ehlo(struct session *s, const char *arg)
{
	char line[LIMIT_REPLY];
	struct text t;

	if (!greet(s, arg, true))
		return &reply_bad_name;
	session_line(s, &reply_hello, s->setup->conf->hostname);
	for (const struct keyword *k = keywords; k < keywords + N_KEYWORDS; k++) {
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
