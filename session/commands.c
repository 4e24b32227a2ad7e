/*
 * The table of commands and their handlers. command_run() checks what a row says
 * (argument, facts needed and barred, no input waiting) before a handler starts,
 * so handlers begin with work. HELP and EHLO are printed from tables too.
 */
#include "session/commands.h"

#include <string.h>

#include "session/body.h"
#include "session/demand.h"
#include "session/path.h"
#include "session/probe.h"
#include "session/sasl.h"
#include "session/timed.h"
#include "session/xclient.h"

enum argument { NO_ARG, ARG, OPT_ARG };

enum flag {
	SYNC = 1 << 0,      /* RFC 2920 3.1: the client must wait for the reply */
	SMTP_ONLY = 1 << 1,
	LMTP_ONLY = 1 << 2,
	PROXY_ONLY = 1 << 4, /* unknown to other clients */
	ODMR = 1 << 5,      /* on port 366, too, which has little else (RFC 2645 5.4) */
	COUNTED = 1 << 3,   /* counted octets follow the line even when it is refused */
};

struct command {
	const char *verb;
	const struct reply *(*run)(struct session *s, const char *arg);
	enum argument argument;
	unsigned needs, bars; /* facts */
	unsigned flags;
	const char *help;
};

static const struct reply *do_hello(struct session *s, const char *arg);
static const struct reply *do_helo(struct session *s, const char *arg);
static const struct reply *do_mail(struct session *s, const char *arg);
static const struct reply *do_rcpt(struct session *s, const char *arg);
static const struct reply *do_rset(struct session *s, const char *arg);
static const struct reply *do_noop(struct session *s, const char *arg);
static const struct reply *do_vrfy(struct session *s, const char *arg);
static const struct reply *do_expn(struct session *s, const char *arg);
static const struct reply *do_help(struct session *s, const char *arg);
static const struct reply *do_starttls(struct session *s, const char *arg);
static const struct reply *do_quit(struct session *s, const char *arg);

static const struct command commands[] = {
	/* verb   run           arg      needs              bars    flags */
	{ "HELO", do_helo,      ARG,     0,                 0,      SMTP_ONLY | ODMR,
	  "HELO host.example: greet, without extensions" },
	{ "EHLO", do_hello,     ARG,     0,                 0,      SMTP_ONLY | ODMR,
	  "EHLO host.example: greet, and learn the extensions" },
	{ "LHLO", do_hello,     ARG,     0,                 0,      LMTP_ONLY,
	  "LHLO host.example: greet, and learn the extensions" },
	{ "MAIL", do_mail,      ARG,     HELLO,             MAIL,   0,
	  "MAIL FROM:<you@example.org> [SIZE=n] [BODY=7BIT|8BITMIME|BINARYMIME] "
	  "[SMTPUTF8] [BY=seconds;R|N] [HOLDFOR=seconds|HOLDUNTIL=2026-12-24T18:00:00Z] "
	  "[MT-PRIORITY=-9...9] "
	  "[TRANSID=<l@d>]: begin a message, or resume one" },
	{ "RCPT", do_rcpt,      ARG,     HELLO | MAIL,      CHUNKS, 0,
	  "RCPT TO:<them@example.org>: add a recipient" },
	{ "DATA", body_do_data, NO_ARG,  HELLO | MAIL | RCPT, CHUNKS, SYNC,
	  "DATA: send the message, ended by a dot on a line of its own" },
	{ "BDAT", body_do_bdat, ARG,     HELLO | MAIL | RCPT, 0,    COUNTED,
	  "BDAT octets [LAST]: send a piece of the message, octets follow the line" },
	{ "RSET", do_rset,      NO_ARG,  0,                 0,      ODMR,
	  "RSET: forget the message begun" },
	{ "NOOP", do_noop,      OPT_ARG, 0,                 0,      ODMR,
	  "NOOP: do nothing, say ok" },
	{ "VRFY", do_vrfy,      ARG,     0,                 0,      0,
	  "VRFY user@example.org: is there such a mailbox? (252: not told)" },
	{ "EXPN", do_expn,      ARG,     0,                 0,      0,
	  "EXPN list@example.org: where does mail for it go?" },
	{ "HELP", do_help,      OPT_ARG, 0,                 0,      ODMR,
	  "HELP [command]: this text" },
	{ "STARTTLS", do_starttls, NO_ARG, HELLO,          TLS | MAIL, SYNC,
	  "STARTTLS: speak TLS from here on" },
	{ "AUTH", sasl_do_auth, ARG,     HELLO,             LOGIN | MAIL, ODMR,
	  "AUTH mechanism [initial-response]: show who you are; EHLO lists mechanisms" },
	{ "ETRN", demand_do_etrn, ARG,   HELLO | LOGIN,     MAIL,   SMTP_ONLY,
	  "ETRN example.org: have its waiting mail sent now; @example.org: and that of the "
	  "domains below, #name: of a queue" },
	{ "QSND", demand_do_etrn, ARG,   HELLO | LOGIN,     MAIL,   SMTP_ONLY,
	  "QSND example.org: the same as ETRN" },
	{ "ATRN", demand_do_atrn, OPT_ARG, HELLO | LOGIN,   MAIL,   SMTP_ONLY | ODMR | SYNC,
	  "ATRN example.org,example.net: send me their waiting mail over this connection; "
	  "without a domain all of mine" },
	{ "QUIT", do_quit,      NO_ARG,  0,                 0,      ODMR,
	  "QUIT: say goodbye" },
	{ "XCLIENT", xclient_do, ARG,    0,                 MAIL,   PROXY_ONLY,
	  "XCLIENT ADDR=a HELO=h: a proxy tells who its client is" },
#ifdef POSTERN_PROBE
	{ "XTRY", probe_do_try, ARG,     0,                 0,      0,
	  "XTRY what: try what the sandbox forbids (test build)" },
#endif
};

#define N_COMMANDS (sizeof commands / sizeof commands[0])

/* The first missing fact decides the reply; then the first fact that bars. */
static const struct {
	enum fact fact;
	const struct reply *missing, *barred;
} facts[] = {
	{ HELLO, &reply_need_hello, NULL },
	{ MAIL, &reply_need_sender, &reply_nested },
	{ RCPT, &reply_need_recipient, NULL },
	{ CHUNKS, NULL, &reply_in_chunks },
	{ TLS, NULL, &reply_secured },
	{ LOGIN, &reply_need_auth, &reply_known },
};

static bool
is_lmtp(const struct session *s)
{
	return s->setup->service == SERVICE_LMTP;
}

static bool
is_offered(const struct session *s, const struct command *c)
{
	if (c->flags & PROXY_ONLY && !xclient_is_allowed(s))
		return false;
	if (s->setup->service == SERVICE_ODMR && !(c->flags & ODMR))
		return false;
	return !(c->flags & (is_lmtp(s) ? SMTP_ONLY : LMTP_ONLY));
}

/* Why it is not. */
static const struct reply *
find_elsewhere(const struct session *s)
{
	if (s->setup->service == SERVICE_ODMR)
		return &reply_not_here;
	return is_lmtp(s) ? &reply_use_lhlo : &reply_use_ehlo;
}

static const struct command *
find_command(const char *verb)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcasecmp(commands[i].verb, verb) == 0)
			return &commands[i];
	return NULL;
}

/* Why the row does not allow the command now, or NULL. */
static const struct reply *
find_objection(struct session *s, const struct command *c, const char *arg)
{
	if (!is_offered(s, c))
		return find_elsewhere(s);
	if (c->argument == NO_ARG && *arg != '\0')
		return &reply_no_argument;
	if (c->argument == ARG && *arg == '\0')
		return &reply_needs_argument;
	for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
		if (c->needs & facts[i].fact & ~s->have)
			return facts[i].missing;
		if (c->bars & facts[i].fact & s->have)
			return facts[i].barred;
	}
	if (c->flags & SYNC && io_is_waiting(&s->io)) {
		ask_log(&s->ask, EVENT_PIPELINED);
		s->over = true;
		return &reply_pipelined;
	}
	return NULL;
}

const struct reply *
command_run(struct session *s, char *line)
{
	size_t len = strcspn(line, " \t");
	char *arg = line + len;
	const struct command *c;
	const struct reply *why;
	char *end;

	if (*arg != '\0')
		*arg++ = '\0';
	arg += strspn(arg, " \t");
	/* RFC 5321 4.1.1: bear white space before the CRLF. */
	for (end = arg + strlen(arg); end > arg && (end[-1] == ' ' || end[-1] == '\t'); )
		*--end = '\0';
	c = find_command(line);
	if (c == NULL || (c->flags & PROXY_ONLY && !is_offered(s, c)))
		return &reply_unknown_command;
	why = find_objection(s, c, arg);
	if (why == NULL)
		return c->run(s, arg);
	if (c->flags & COUNTED)
		body_skip_chunk(s, arg);
	return why;
}

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

static const struct reply *
do_helo(struct session *s, const char *arg)
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

/* On submission a login comes before MAIL, so a client may hear of it before. */
static bool
may_resume(const struct session *s)
{
	enum checkpoint to = s->setup->conf->checkpoint;

	return !is_lmtp(s) &&
	       (to == CHECKPOINT_ALL ||
	        (to == CHECKPOINT_LOGIN &&
	         (s->have & LOGIN || is_submission(s->setup->service))));
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
	{ "CHECKPOINT", NULL, may_resume },    /* RFC 1845 */
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

static const struct reply *
do_hello(struct session *s, const char *arg)
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

static const struct reply *
do_mail(struct session *s, const char *arg)
{
	struct sender *from = &s->sender;
	struct mail_parameters params;
	const struct reply *wrong = path_read_mail(arg, &from->address, &params);
	enum answer a;

	if (wrong != NULL)
		return wrong;
	if (params.transid[0] != '\0' && !may_resume(s))
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

static const struct reply *
do_rcpt(struct session *s, const char *arg)
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

static const struct reply *
do_rset(struct session *s, const char *arg)
{
	(void)arg;
	if (s->have & MAIL)
		ask_abort(&s->ask);
	body_drop(s);
	session_reset(s);
	return &reply_ok;
}

static const struct reply *
do_noop(struct session *s, const char *arg)
{
	(void)s;
	(void)arg;
	return &reply_ok;
}

static void
set_path_detail(struct session *s, const char *address)
{
	struct text t;

	text_init(&t, s->detail, sizeof s->detail);
	text_addc(&t, '<');
	text_add(&t, address);
	text_addc(&t, '>');
}

/* The addresses of the keeper's answer, each a line, the last as the reply. */
static const struct reply *
list_addresses(struct session *s, enum answer a)
{
	bool any = false;

	while (a == ANSWER_MORE) {
		for (unsigned i = 0; i < s->ask.packet.n; i++) {
			if (any)
				session_line(s, &reply_verified, s->detail);
			set_path_detail(s, s->ask.packet.field[i]);
			any = true;
		}
		a = ask_more(&s->ask);
	}
	if (a == ANSWER_YES && any)
		return &reply_verified;
	s->detail[0] = '\0';
	return session_refused(s, a);
}

static const struct reply *
do_vrfy(struct session *s, const char *arg)
{
	struct address a;
	enum answer answer;

	if (!path_read_name(arg, &a))
		return &reply_bad_address;
	if (!s->setup->conf->vrfy ||
	    (a.domain[0] == '\0' && strcasecmp(a.local, "postmaster") != 0))
		return &reply_cannot_verify;
	answer = ask_verify(&s->ask, &a);
	if (answer == ANSWER_RELAY_DENIED)
		return &reply_cannot_verify; /* another host's (RFC 5321 3.5.3) */
	return list_addresses(s, answer);
}

static const struct reply *
do_expn(struct session *s, const char *arg)
{
	struct address a;

	if (!s->setup->conf->vrfy)
		return &reply_denied;
	if (!path_read_name(arg, &a) || a.domain[0] == '\0')
		return &reply_bad_address;
	return list_addresses(s, ask_expand(&s->ask, &a));
}

static const struct reply *
do_help(struct session *s, const char *arg)
{
	const struct command *c;

	if (*arg != '\0') {
		c = find_command(arg);
		if (c == NULL || !is_offered(s, c))
			return &reply_no_help;
		(void)text_copy(s->detail, sizeof s->detail, c->help);
		return &reply_help;
	}
	session_line(s, &reply_help, "Postern. Commands:");
	for (c = commands; c < commands + N_COMMANDS; c++)
		if (is_offered(s, c))
			session_line(s, &reply_help, c->help);
	(void)text_copy(s->detail, sizeof s->detail, "RFC 5321 has the details");
	return &reply_help;
}

static const struct reply *
do_starttls(struct session *s, const char *arg)
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

static const struct reply *
do_quit(struct session *s, const char *arg)
{
	(void)arg;
	s->over = true;
	return &reply_bye;
}
