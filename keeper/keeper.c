/*
 * The keeper's loop and its table of requests: what is allowed when is the table's
 * rows, nothing else. A request that breaks it ends the session.
 */
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/boundary.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "base/packet.h"
#include "base/sandbox.h"
#include "keeper/deliver.h"
#include "keeper/message.h"
#include "keeper/resolve.h"
#include "keeper/tidy.h"
#include "keeper/trace.h"

/* What a transaction has; see the table below. */
enum fact {
	BEGUN = 1 << 0,
	RECIPIENT = 1 << 1,
	BODY = 1 << 2,
};

struct recipient {
	struct address address;
	unsigned first, n; /* of targets.links */
};

struct keeper {
	const struct keeper_setup *setup;
	unsigned have;          /* facts */
	uint64_t messages;      /* begun in this session */
	uint64_t events;        /* logged for this session */
	/* the transaction */
	char helo[LIMIT_DOMAIN + 3];
	struct address sender;
	bool esmtp, smtputf8;
	uint64_t declared;      /* SIZE= */
	uint64_t limit;
	char id[LIMIT_ID + 1];
	struct message message;
	uint64_t trace_len;
	unsigned n_recipients;
	int tmp;                /* STATE/tmp, once opened */
	struct packet in, out;
	struct recipient recipients[LIMIT_RECIPIENTS];
	struct targets targets;
	struct targets scratch; /* for VRFY */
	struct resolver resolver;
};

static bool
say(struct keeper *k, enum answer a)
{
	packet_start(&k->out, (char)a);
	/* A session that is gone shows at the next receive. */
	(void)packet_send(k->setup->boundary, &k->out, -1);
	return true;
}

static void
end_transaction(struct keeper *k)
{
	message_discard(&k->message);
	k->have = 0;
	k->n_recipients = 0;
	k->targets.n_destinations = k->targets.n_links = 0;
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

/* What may stand in a Received line as the client's name. */
static bool
take_helo(struct keeper *k, const char *s)
{
	if (s[0] == '\0' || !text_copy(k->helo, sizeof k->helo, s))
		return false;
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s > '~' || strchr("()<>\"\\,;@", *s) != NULL)
			return false;
	return true;
}

static bool
take_flags(struct keeper *k, const char *s)
{
	k->esmtp = strchr(s, FLAG_ESMTP) != NULL;
	k->smtputf8 = strchr(s, FLAG_SMTPUTF8) != NULL;
	return strspn(s, "EU8B") == strlen(s) && strlen(s) <= 4;
}

/* Room for a message of the size declared? An estimate; the write is the truth. */
static bool
has_room(const struct keeper *k)
{
	struct statvfs fs;

	if (fstatvfs(k->setup->state, &fs) == -1)
		return true;
	if (fs.f_files > 0 && fs.f_favail == 0)
		return false;
	return k->declared / fs.f_frsize < fs.f_bavail;
}

static void
make_id(struct keeper *k)
{
	struct text t;

	text_init(&t, k->id, sizeof k->id);
	text_add(&t, k->setup->session_id);
	text_addc(&t, '.');
	text_addu(&t, k->messages);
}

static bool
do_begin(struct keeper *k)
{
	if (!take_helo(k, k->in.field[0]) || !take_address(k, 1, &k->sender) ||
	    !take_flags(k, k->in.field[3]) ||
	    !parse_u64(k->in.field[4], UINT64_MAX, &k->declared))
		return false;
	if (k->messages == k->setup->conf->messages)
		return say(k, ANSWER_TOO_MANY);
	if (k->declared > k->setup->size)
		return say(k, ANSWER_TOO_BIG);
	if (!has_room(k))
		return say(k, ANSWER_NO_SPACE);
	k->messages++;
	k->limit = k->setup->size;
	make_id(k);
	k->have = BEGUN;
	return say(k, ANSWER_YES);
}

static void
log_refused(const struct keeper *k, const struct address *a, enum answer why)
{
	static const struct {
		enum answer answer;
		const char *word;
	} words[] = {
		{ ANSWER_NO_USER, "no-such-mailbox" },  { ANSWER_NO_DOMAIN, "no-such-domain" },
		{ ANSWER_RELAY_DENIED, "relay-denied" }, { ANSWER_NO_QUEUE, "no-queue" },
		{ ANSWER_TOO_MANY, "too-many" },        { ANSWER_TOO_BIG, "too-big" },
		{ ANSWER_NEVER_FITS, "never-fits" },    { ANSWER_FULL, "mailbox-full" },
		{ ANSWER_NO_SPACE, "no-space" },        { ANSWER_LOOP, "loop" },
		{ ANSWER_ERROR, "error" },
	};
	char text[LIMIT_ADDRESS + 1];
	struct log_line l;
	struct text t;

	log_start(&l, "refused");
	log_field(&l, "id", k->id);
	text_init(&t, text, sizeof text);
	address_text(&t, &k->sender);
	log_field(&l, "from", text);
	text_init(&t, text, sizeof text);
	address_text(&t, a);
	log_field(&l, "to", text);
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (words[i].answer == why)
			log_field(&l, "reply", words[i].word);
	log_send(&l, LOG_LEVEL_INFO);
}

static bool
do_recipient(struct keeper *k)
{
	struct recipient *r = &k->recipients[k->n_recipients];
	struct address a;
	unsigned first = k->targets.n_links;
	enum answer answer = ANSWER_TOO_MANY;

	if (!take_address(k, 0, &a) || a.local[0] == '\0')
		return false;
	if (k->n_recipients < k->setup->conf->recipients)
		answer = resolve_recipient(&k->resolver, &a, k->declared, &k->targets,
		                           &k->limit);
	if (answer != ANSWER_YES) {
		log_refused(k, &a, answer);
		return say(k, answer);
	}
	r->address = a;
	r->first = first;
	r->n = k->targets.n_links - first;
	k->n_recipients++;
	k->have |= RECIPIENT;
	packet_start(&k->out, ANSWER_YES);
	packet_addu(&k->out, k->limit);
	(void)packet_send(k->setup->boundary, &k->out, -1);
	return true;
}

static int
write_trace(struct keeper *k)
{
	char buf[LIMIT_TRACE];
	struct text t;
	struct trace tr = {
		.sender = &k->sender,
		.recipient = k->n_recipients == 1 ? &k->recipients[0].address : NULL,
		.helo = k->helo,
		.client = &k->setup->client,
		.host = k->setup->conf->hostname,
		.id = k->id,
		.esmtp = k->esmtp,
		.lmtp = k->setup->lmtp,
		.smtputf8 = k->smtputf8,
		.now = time(NULL),
	};

	text_init(&t, buf, sizeof buf);
	trace_text(&t, &tr);
	if (!text_ok(&t)) {
		errno = EMSGSIZE;
		return -1;
	}
	k->trace_len = t.len;
	return write(k->message.fd, buf, t.len) == (ssize_t)t.len ? 0 : -1;
}

static enum answer
open_message(struct keeper *k)
{
	if (k->tmp == -1)
		k->tmp = openat(k->setup->state, "tmp",
		                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (k->tmp != -1 && message_create(&k->message, k->tmp, k->id) == 0 &&
	    write_trace(k) == 0)
		return ANSWER_YES;
	log_error("make message file in STATE/tmp", errno);
	return errno == ENOSPC || errno == EDQUOT ? ANSWER_NO_SPACE : ANSWER_ERROR;
}

static bool
do_body(struct keeper *k)
{
	enum answer a = open_message(k);

	if (a != ANSWER_YES) {
		message_discard(&k->message);
		return say(k, a);
	}
	k->have |= BODY;
	packet_start(&k->out, ANSWER_YES);
	packet_add(&k->out, k->id);
	(void)packet_send(k->setup->boundary, &k->out, k->message.fd);
	return true;
}

/* The worst answer among the mailboxes of one recipient. */
static enum answer
outcome_of(const struct keeper *k, const struct recipient *r)
{
	for (unsigned i = r->first; i < r->first + r->n; i++) {
		enum answer a = k->targets.destinations[k->targets.links[i]].outcome;

		if (a != ANSWER_YES)
			return a;
	}
	return ANSWER_YES;
}

static void
log_delivered(const struct keeper *k, const struct recipient *r, uint64_t size)
{
	char text[LIMIT_ADDRESS + 1];
	struct log_line l;
	struct text t;

	log_start(&l, "delivered");
	log_field(&l, "id", k->id);
	text_init(&t, text, sizeof text);
	address_text(&t, &k->sender);
	log_field(&l, "from", text);
	text_init(&t, text, sizeof text);
	address_text(&t, &r->address);
	log_field(&l, "to", text);
	log_number(&l, "size", size);
	log_number(&l, "mailboxes", r->n);
	log_send(&l, LOG_LEVEL_INFO);
}

static void
say_outcomes(struct keeper *k, uint64_t size)
{
	char outcomes[LIMIT_RECIPIENTS + 1];
	struct text t;

	text_init(&t, outcomes, sizeof outcomes);
	for (unsigned i = 0; i < k->n_recipients; i++) {
		const struct recipient *r = &k->recipients[i];
		enum answer a = outcome_of(k, r);

		text_addc(&t, (char)a);
		if (a == ANSWER_YES)
			log_delivered(k, r, size);
		else
			log_refused(k, &r->address, a);
	}
	packet_start(&k->out, ANSWER_OUTCOMES);
	packet_add(&k->out, k->id);
	packet_add(&k->out, outcomes);
	(void)packet_send(k->setup->boundary, &k->out, -1);
}

static bool
do_commit(struct keeper *k)
{
	struct delivery d = {
		.state = k->setup->state,
		.host = k->setup->conf->hostname,
		.message = &k->message,
		.targets = &k->targets,
		.each_alone = k->setup->lmtp,
	};

	if (message_seal(&k->message, &d.size) == -1) {
		if (errno == EAGAIN)
			return false; /* the session kept a descriptor to write to */
		log_error("seal message file", errno);
		end_transaction(k);
		return say(k, ANSWER_ERROR);
	}
	/* The stored form is never longer than the canonical one that limits count. */
	if (d.size > k->limit + k->trace_len) {
		end_transaction(k);
		return say(k, ANSWER_TOO_BIG);
	}
	deliver(&d);
	say_outcomes(k, d.size);
	end_transaction(k);
	return true;
}

static bool
do_abort(struct keeper *k)
{
	end_transaction(k);
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
	char text[LIMIT_ADDRESS + 1];
	struct address a;
	struct text t;
	uint64_t limit = k->setup->size;
	enum answer answer;

	if (!may_tell(k, &a))
		return false;
	k->scratch.n_destinations = k->scratch.n_links = 0;
	answer = resolve_recipient(&k->resolver, &a, 0, &k->scratch, &limit);
	/* A full mailbox is one all the same. */
	if (answer != ANSWER_YES && answer != ANSWER_FULL)
		return say(k, answer);
	packet_start(&k->out, ANSWER_MORE);
	text_init(&t, text, sizeof text);
	address_text(&t, &a);
	packet_add(&k->out, text);
	(void)packet_send(k->setup->boundary, &k->out, -1);
	return say(k, ANSWER_YES);
}

static void
tell_address(void *context, const struct address *a)
{
	struct keeper *k = context;
	char text[LIMIT_ADDRESS + 1];
	struct text t;

	text_init(&t, text, sizeof text);
	address_text(&t, a);
	packet_start(&k->out, ANSWER_MORE);
	packet_add(&k->out, text);
	(void)packet_send(k->setup->boundary, &k->out, -1);
}

static bool
do_expand(struct keeper *k)
{
	struct address a;

	if (!may_tell(k, &a))
		return false;
	return say(k, resolve_expand(&k->resolver, &a, tell_address, k));
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
			log_field(&l, "id", k->id);
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
	/* verb            fields  run           needs                      bars  */
	{ VERB_BEGIN,      5,      do_begin,     0,                         BEGUN },
	{ VERB_RECIPIENT,  2,      do_recipient, BEGUN,                     BODY  },
	{ VERB_BODY,       0,      do_body,      BEGUN | RECIPIENT,         BODY  },
	{ VERB_COMMIT,     0,      do_commit,    BEGUN | RECIPIENT | BODY,  0     },
	{ VERB_ABORT,      0,      do_abort,     BEGUN,                     0     },
	{ VERB_VERIFY,     2,      do_verify,    0,                         0     },
	{ VERB_EXPAND,     2,      do_expand,    0,                         0     },
	{ VERB_LOG,        1,      do_log,       0,                         0     },
};

static bool
handle(struct keeper *k)
{
	for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
		const struct request *r = &requests[i];

		if (r->verb == k->in.letter)
			return k->in.fd == -1 && k->in.n == r->fields &&
			       !(r->needs & ~k->have) && !(r->bars & k->have) && r->run(k);
	}
	return false;
}

static enum keeper_end
malformed(const struct keeper *k, const char *what)
{
	char verb[2] = { k->in.letter, '\0' };
	struct log_line l;

	log_start(&l, "boundary");
	log_field(&l, "what", what);
	log_field(&l, "verb", verb);
	log_send(&l, LOG_LEVEL_ERROR);
	return KEEPER_MALFORMED;
}

static enum keeper_end
answer_session(struct keeper *k)
{
	int64_t end = clock_ms() + (int64_t)(k->setup->conf->session + 60) * 1000;
	struct pollfd p = { k->setup->boundary, POLLIN, 0 };

	for (;;) {
		int64_t left = end - clock_ms();
		int n = poll(&p, 1, left > 0 ? (int)left : 0);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			log_error("session outlived its time", n == -1 ? errno : 0);
			return KEEPER_LATE;
		}
		switch (packet_recv(k->setup->boundary, &k->in)) {
		case 0:
			return KEEPER_DONE;
		case 1:
			if (!handle(k))
				return malformed(k, "request out of order or malformed");
			break;
		default:
			if (errno == ECONNRESET)
				return KEEPER_DONE;
			k->in.letter = '?';
			return malformed(k, "packet malformed");
		}
		if (k->in.fd != -1)
			(void)close(k->in.fd); /* handle() has refused it */
	}
}

int
keeper_confine(const struct keeper_setup *setup)
{
	if (sandbox_no_new_privs() == -1)
		return -1;
	return sandbox_landlock_files(setup->state, setup->domains);
}

enum keeper_end
keeper_run(const struct keeper_setup *setup)
{
	static struct keeper keeper; /* megabytes, of which few are ever touched */
	struct keeper *k = &keeper;
	enum keeper_end end;

	k->setup = setup;
	k->tmp = -1;
	k->messages = k->events = 0;
	message_init(&k->message);
	end_transaction(k);
	k->resolver.conf = setup->conf;
	k->resolver.state = setup->state;
	k->resolver.domains = setup->domains;
	k->resolver.may_relay = setup->may_relay;
	k->resolver.append = setup->append;
	end = answer_session(k);
	end_transaction(k);
	if (k->tmp != -1) {
		if (time(NULL) % 64 == 0)
			tidy_tmp(k->tmp);
		(void)close(k->tmp); /* a directory, only read */
	}
	return end;
}
