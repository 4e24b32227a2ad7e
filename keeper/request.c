/*
 * The keeper's table of requests: what is allowed when is the table's rows, nothing
 * else. A request that breaks it ends the session. Handlers of mail are here too.
 */
#include "keeper/request.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/num.h"
#include "base/xtext.h"
#include "keeper/resume.h"

/* Sends k->out. Where that fails the session is ended, lest it wait for ever. */
bool
request_reply(struct keeper *k, int fd)
{
	if (packet_send(k->setup->job.boundary, &k->out, fd) == -1 && !k->lost) {
		k->lost = true;
		if (errno != EPIPE && errno != ECONNRESET)
			log_error("answer the session", errno);
	}
	return true;
}

bool
request_say(struct keeper *k, enum answer a)
{
	packet_start(&k->out, (char)a);
	return request_reply(k, -1);
}

void
request_say_address(void *context, const struct address *a)
{
	struct keeper *k = context;
	char text[LIMIT_ADDRESS + 1];
	struct text t;

	text_init(&t, text, sizeof text);
	address_text(&t, a);
	packet_start(&k->out, ANSWER_MORE);
	packet_add(&k->out, text);
	(void)request_reply(k, -1);
}

void
request_end_transaction(struct keeper *k)
{
	transaction_end(&k->transaction);
	k->notify = 0;
	k->orcpt[0] = '\0';
	k->have &= LASTING;
}

/* An address in fields n and n + 1. */
static bool
take_address(const struct keeper *k, unsigned n, struct address *a)
{
	const char *local = k->in.field[n];
	const char *domain = k->in.field[n + 1];

	return is_address_safe(local, domain) &&
	       text_copy(a->local, sizeof a->local, local) &&
	       text_copy(a->domain, sizeof a->domain, domain);
}

/* AUTH=, for whom the message is passed on to; of a stranger it means nothing (RFC 4954 5). */
static bool
take_auth(const char *xtext, bool trusted, struct mail_from *from)
{
	struct text t;

	text_init(&t, from->auth, sizeof from->auth);
	if (xtext[0] == '\0')
		return true;
	if (!xtext_decode(&t, xtext, strlen(xtext)))
		return false;
	if (!trusted)
		(void)text_copy(from->auth, sizeof from->auth, "<>"); /* it fits */
	return true;
}

static bool
take_flags(struct mail_from *from, const char *s)
{
	from->esmtp = strchr(s, FLAG_ESMTP) != NULL;
	from->smtputf8 = strchr(s, FLAG_SMTPUTF8) != NULL;
	from->body = strchr(s, FLAG_BINARYMIME) != NULL ? BODY_BINARYMIME :
	             strchr(s, FLAG_8BITMIME) != NULL   ? BODY_8BITMIME :
	                                                  BODY_7BIT;
	return strspn(s, "EU8B") == strlen(s) && strlen(s) <= 4;
}

/* RFC 6409 4.3, 6.1: who sends, and in whose name. */
static enum answer
may_send(struct keeper *k, const struct address *sender)
{
	const struct conf *conf = k->own.conf;
	bool submission = is_submission(k->own.job.service);

	if (submission && !(k->have & SECURED) && !conf->auth_without_tls)
		return ANSWER_NEED_TLS;
	if (submission && !(k->have & LOGIN))
		return ANSWER_NO_AUTH;
	if (!(k->have & LOGIN) || sender->local[0] == '\0' ||
	    conf->sender_check == SENDER_CHECK_NO ||
	    (conf->sender_check == SENDER_CHECK_SUBMISSION && !submission))
		return ANSWER_YES;
	return resolve_is_of(&k->resolver, sender, k->login.name, &k->scratch) ?
	       ANSWER_YES : ANSWER_NOT_YOURS;
}

static bool
do_begin(struct keeper *k)
{
	struct mail_from from;
	enum answer a;

	memset(&from, 0, sizeof from);
	if (!is_greeting_name(k->in.field[0]) ||
	    !text_copy(from.helo, sizeof from.helo, k->in.field[0]) ||
	    !take_address(k, 1, &from.sender) || !take_flags(&from, k->in.field[3]) ||
	    !parse_u64(k->in.field[4], UINT64_MAX, &from.size) ||
	    !take_auth(k->in.field[5], k->have & LOGIN, &from))
		return false;
	from.local[0] = '\0';
	from.login = (k->have & LOGIN) != 0;
	from.login_name = k->login.name;
	from.tls = k->have & SECURED ? &k->secure.facts : NULL;
	a = may_send(k, &from.sender);
	if (a == ANSWER_YES)
		a = transaction_begin(&k->transaction, &from);
	if (a == ANSWER_YES)
		k->have |= BEGUN;
	return request_say(k, a);
}

static bool
do_recipient(struct keeper *k)
{
	struct address to;
	enum answer a;

	if (!take_address(k, 0, &to) || to.local[0] == '\0')
		return false;
	if (!k->transaction.partial.resumed)
		a = transaction_add(&k->transaction, &to, k->notify, k->orcpt);
	else
		a = resume_recipient(&k->transaction, &to);
	k->notify = 0;
	k->orcpt[0] = '\0';
	if (a != ANSWER_YES)
		return request_say(k, a);
	k->have |= RECIPIENT;
	packet_start(&k->out, ANSWER_YES);
	packet_addu(&k->out, k->transaction.limit);
	return request_reply(k, -1);
}

static bool
do_return(struct keeper *k)
{
	struct mail_from *from = &k->transaction.from;

	from->ret = strcmp(k->in.field[0], "FULL") == 0 ? RET_FULL :
	            strcmp(k->in.field[0], "HDRS") == 0 ? RET_HDRS :
	                                                  RET_UNSAID;
	return (from->ret != RET_UNSAID || k->in.field[0][0] == '\0') &&
	       is_envid(k->in.field[1]) &&
	       text_copy(from->envid, sizeof from->envid, k->in.field[1]);
}

static bool
do_notify(struct keeper *k)
{
	k->notify = 0;
	return (k->in.field[0][0] == '\0' || parse_notify(k->in.field[0], &k->notify)) &&
	       (k->in.field[1][0] == '\0' || is_orcpt(k->in.field[1])) &&
	       text_copy(k->orcpt, sizeof k->orcpt, k->in.field[1]);
}

static bool
do_body(struct keeper *k)
{
	enum answer a = transaction_open(&k->transaction);

	if (a != ANSWER_YES)
		return request_say(k, a);
	k->have |= BODY;
	packet_start(&k->out, ANSWER_YES);
	packet_add(&k->out, k->transaction.id);
	return request_reply(k, k->transaction.message.fd);
}

static bool
do_commit(struct keeper *k)
{
	char outcomes[LIMIT_RECIPIENTS + 1];
	enum answer a = transaction_commit(&k->transaction, outcomes);

	if (a == ANSWER_DENIED)
		return false; /* it kept a descriptor to write to */
	packet_start(&k->out, (char)a);
	if (a == ANSWER_OUTCOMES) {
		packet_add(&k->out, k->transaction.id);
		packet_add(&k->out, outcomes);
	}
	request_end_transaction(k);
	return request_reply(k, -1);
}

static bool
do_abort(struct keeper *k)
{
	resume_discard(&k->transaction);
	request_end_transaction(k);
	return true;
}

static bool
may_tell(const struct keeper *k, struct address *a)
{
	return k->setup->conf->vrfy && take_address(k, 0, a) && a->local[0] != '\0';
}

static bool
do_verify(struct keeper *k)
{
	struct address a;
	uint64_t limit = k->setup->size;
	enum answer answer;

	if (!may_tell(k, &a))
		return false;
	k->scratch.n_destinations = k->scratch.n_links = k->scratch.n_remotes = 0;
	k->resolver.local_only = true; /* another host's is not ours to vouch for */
	answer = resolve_recipient(&k->resolver, &a, 0, &k->scratch, &limit);
	k->resolver.local_only = false;
	explicit_bzero(k->scratch.destinations,
	               k->scratch.n_destinations * sizeof k->scratch.destinations[0]);
	/* A full mailbox is one all the same. */
	if (answer != ANSWER_YES && answer != ANSWER_FULL)
		return request_say(k, answer);
	request_say_address(k, &a);
	return request_say(k, ANSWER_YES);
}

static bool
do_expand(struct keeper *k)
{
	struct address a;

	if (!may_tell(k, &a))
		return false;
	return request_say(k, resolve_expand(&k->resolver, &a, request_say_address, k));
}

static bool
do_log(struct keeper *k)
{
	static const struct {
		enum event event;
		const char *name;
	} events[] = {
		{ EVENT_EARLY_TALKER, "early-talker" },
		{ EVENT_PIPELINED, "improper-pipelining" },
		{ EVENT_BAD_PROXY, "bad-proxy-header" },
		{ EVENT_BARE_NEWLINE, "bare-newline" },
		{ EVENT_TOO_MANY_ERRORS, "too-many-errors" },
		{ EVENT_TIMEOUT, "timeout" },
		{ EVENT_SESSION_CAP, "session-cap" },
		{ EVENT_LONG_LINE, "line-too-long" },
		{ EVENT_TOO_BIG, "message-too-big" },
		{ EVENT_HOPS, "too-many-received" },
		{ EVENT_LOST_IN_DATA, "lost-in-data" },
		{ EVENT_WRITE_FAILED, "write-failed" },
	};
	struct log_line l;

	for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
		if (k->in.field[0][0] != (char)events[i].event || k->in.field[0][1] != '\0')
			continue;
		/* No more of them than a session could have reason for. */
		if (++k->events > k->setup->conf->errors + k->setup->conf->messages + 10)
			return false;
		log_start(&l, events[i].name);
		if (k->have & BEGUN)
			log_field(&l, "id", k->transaction.id);
		log_send(&l, LOG_LEVEL_INFO);
		return true;
	}
	return false;
}

/* A handler returns false when the packet is not one that a session sends. */
static const struct request {
	char verb;
	unsigned fields;
	bool (*run)(struct keeper *k);
	unsigned needs, bars;
} requests[] = {
	/* verb            fields  run                 needs                     bars */
	{ VERB_BEGIN,      6,      do_begin,           0,                        BEGUN },
	{ VERB_RECIPIENT,  2,      do_recipient,       BEGUN,                    BODY },
	{ VERB_RETURN,     2,      do_return,          BEGUN,                    RECIPIENT },
	{ VERB_TIMED,      4,      timed_do,           BEGUN,                    RECIPIENT },
	{ VERB_NOTIFY,     2,      do_notify,          BEGUN,                    BODY },
	{ VERB_BODY,       0,      do_body,            BEGUN | RECIPIENT,        BODY },
	{ VERB_COMMIT,     0,      do_commit,          BEGUN | RECIPIENT | BODY, 0 },
	{ VERB_TRANSID,    1,      resume_do_transid,  BEGUN,                    RECIPIENT | BODY },
	{ VERB_NOTE,       2,      resume_do_note,     BEGUN | RECIPIENT | BODY, 0 },
	{ VERB_PARK,       0,      resume_do_park,     BEGUN,                    0 },
	{ VERB_ABORT,      0,      do_abort,           BEGUN,                    0 },
	{ VERB_VERIFY,     2,      do_verify,          0,                        0 },
	{ VERB_EXPAND,     2,      do_expand,          0,                        0 },
	{ VERB_PEER,       1,      client_do_peer,     0,                        SPOKEN },
	{ VERB_XCLIENT,    1,      client_do_xclient,  0,                        BEGUN },
	{ VERB_TLS,        0,      client_do_tls,      0,                        BEGUN | SECURED },
	{ VERB_SECURE,     0,      client_do_secure,   0,                        BEGUN | SECURED },
	{ VERB_AUTH,       2,      client_do_auth,     0,                        BEGUN | LOGIN },
	{ VERB_RESPONSE,   1,      client_do_response, EXCHANGE,                 0 },
	{ VERB_CANCEL,     0,      client_do_cancel,   EXCHANGE,                 0 },
	{ VERB_FLUSH,      2,      demand_do_flush,    LOGIN,                    BEGUN },
	{ VERB_TURN,       1,      demand_do_turn,     LOGIN,                    BEGUN | TURNING },
	{ VERB_TURNED,     0,      demand_do_turned,   LOGIN | TURNING,          0 },
	{ VERB_LOG,        1,      do_log,             0,                        0 },
};

static bool
is_allowed(const struct keeper *k, const struct request *r)
{
	/* In an exchange of authentication nothing else is said. */
	if (k->have & EXCHANGE && !(r->needs & EXCHANGE) && r->verb != VERB_LOG)
		return false;
	/* A connection that is given away has one word left. */
	if (k->have & TURNING && r->verb != VERB_TURNED && r->verb != VERB_LOG)
		return false;
	return k->in.fd[0] == -1 && k->in.n == r->fields && !(r->needs & ~k->have) &&
	       !(r->bars & k->have);
}

bool
request_handle(struct keeper *k)
{
	for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
		const struct request *r = &requests[i];

		if (r->verb != k->in.letter)
			continue;
		if (!is_allowed(k, r))
			return false;
		k->have |= SPOKEN;
		return r->run(k);
	}
	return false;
}

