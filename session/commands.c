/*
 * The table of commands, and the handlers of RSET, NOOP, HELP and QUIT. command_run()
 * checks what a row says (argument, facts needed and barred, no input waiting) before
 * a handler starts, so handlers begin with work. HELP is printed from the table too.
 */
#include "session/commands.h"

#include <string.h>

#include "session/body.h"
#include "session/command_own.h"
#include "session/demand.h"
#include "session/probe.h"
#include "session/sasl.h"
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

static const struct reply *do_rset(struct session *s, const char *arg);
static const struct reply *do_noop(struct session *s, const char *arg);
static const struct reply *do_help(struct session *s, const char *arg);
static const struct reply *do_quit(struct session *s, const char *arg);

static const struct command commands[] = {
	/* verb   run           arg      needs              bars    flags */
	{ "HELO", command_helo, ARG,     0,                 0,      SMTP_ONLY | ODMR,
	  "HELO host.example: greet, without extensions" },
	{ "EHLO", command_ehlo, ARG,     0,                 0,      SMTP_ONLY | ODMR,
	  "EHLO host.example: greet, and learn the extensions" },
	{ "LHLO", command_ehlo, ARG,     0,                 0,      LMTP_ONLY,
	  "LHLO host.example: greet, and learn the extensions" },
	{ "MAIL", command_mail, ARG,     HELLO,             MAIL,   0,
	  "MAIL FROM:<you@example.org> [SIZE=n] [BODY=7BIT|8BITMIME|BINARYMIME] "
	  "[SMTPUTF8] [RET=FULL|HDRS] [ENVID=text] [AUTH=you@example.org] [BY=seconds;R|N] "
	  "[HOLDFOR=seconds|HOLDUNTIL=2026-12-24T18:00:00Z] [MT-PRIORITY=-9...9] "
	  "[TRANSID=<l@d>]: begin a message, or resume one" },
	{ "RCPT", command_rcpt, ARG,     HELLO | MAIL,      CHUNKS, 0,
	  "RCPT TO:<them@example.org> [NOTIFY=NEVER|SUCCESS,FAILURE,DELAY] "
	  "[ORCPT=rfc822;them@example.org]: add a recipient" },
	{ "DATA", body_do_data, NO_ARG,  HELLO | MAIL | RCPT, CHUNKS, SYNC,
	  "DATA: send the message, ended by a dot on a line of its own" },
	{ "BDAT", body_do_bdat, ARG,     HELLO | MAIL | RCPT, 0,    COUNTED,
	  "BDAT octets [LAST]: send a piece of the message, octets follow the line" },
	{ "RSET", do_rset,      NO_ARG,  0,                 0,      ODMR,
	  "RSET: forget the message begun" },
	{ "NOOP", do_noop,      OPT_ARG, 0,                 0,      ODMR,
	  "NOOP: do nothing, say ok" },
	{ "VRFY", command_vrfy, ARG,     0,                 0,      0,
	  "VRFY user@example.org: is there such a mailbox? (252: not told)" },
	{ "EXPN", command_expn, ARG,     0,                 0,      0,
	  "EXPN list@example.org: where does mail for it go?" },
	{ "HELP", do_help,      OPT_ARG, 0,                 0,      ODMR,
	  "HELP [command]: this text" },
	{ "STARTTLS", command_starttls, NO_ARG, HELLO,          TLS | MAIL, SYNC,
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

static const struct reply *
do_help(struct session *s, const char *arg)
{
	const struct command *c = find_command(arg);
	char line[LIMIT_REPLY];
	struct text t;

	text_init(&t, s->detail, sizeof s->detail);
	if (*arg != '\0') {
		if (c != NULL && is_offered(s, c))
			text_add(&t, c->help);
		else if (!command_help_extension(s, arg, &t))
			return &reply_no_help;
		return &reply_help;
	}
	text_init(&t, line, sizeof line);
	text_add(&t, "HELP knows these extensions, too:");
	command_help_extensions(s, &t);
	session_line(s, &reply_help, "Postern. Commands:");
	for (c = commands; c < commands + N_COMMANDS; c++)
		if (is_offered(s, c))
			session_line(s, &reply_help, c->help);
	if (s->setup->service != SERVICE_ODMR)
		session_line(s, &reply_help, line);
	(void)text_copy(s->detail, sizeof s->detail, "RFC 5321 has the details");
	return &reply_help;
}

static const struct reply *
do_quit(struct session *s, const char *arg)
{
	(void)arg;
	s->over = true;
	return &reply_bye;
}
