/*
 * The keeper's loop and its table of requests: what is allowed when is the table's
 * rows, nothing else. A request that breaks it ends the session.
 */
#include "keeper/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/boundary.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "base/packet.h"
#include "base/sandbox.h"
#include "keeper/resolve.h"
#include "keeper/transaction.h"

/* What the session has said so far; see the table below. */
enum fact {
	BEGUN = 1 << 0,
	RECIPIENT = 1 << 1,
	BODY = 1 << 2,
	SPOKEN = 1 << 3, /* something has been asked, in this session */
};

struct keeper {
	struct keeper_setup *setup; /* our copy: the client may become another */
	struct keeper_setup own;
	struct ip peer;        /* the client after PROXY, before XCLIENT */
	unsigned have;         /* facts */
	uint64_t events;       /* logged for this session */
	bool lost;             /* an answer could not be sent */
	struct packet in, out;
	struct transaction transaction;
	struct resolver resolver;
	struct targets scratch; /* for VRFY */
};

/* Sends k->out. Where that fails the session is ended, lest it wait for ever. */
static bool
reply(struct keeper *k, int fd)
{
	if (packet_send(k->setup->boundary, &k->out, fd) == -1 && !k->lost) {
		k->lost = true;
		if (errno != EPIPE && errno != ECONNRESET)
			log_error("answer the session", errno);
	}
	return true;
}

static bool
say(struct keeper *k, enum answer a)
{
	packet_start(&k->out, (char)a);
	return reply(k, -1);
}

static void
say_address(void *context, const struct address *a)
{
	struct keeper *k = context;
	char text[LIMIT_ADDRESS + 1];
	struct text t;

	text_init(&t, text, sizeof text);
	address_text(&t, a);
	packet_start(&k->out, ANSWER_MORE);
	packet_add(&k->out, text);
	(void)reply(k, -1);
}

static void
end_transaction(struct keeper *k)
{
	transaction_end(&k->transaction);
	k->have &= SPOKEN;
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

static bool
take_flags(struct mail_from *from, const char *s)
{
	from->esmtp = strchr(s, FLAG_ESMTP) != NULL;
	from->smtputf8 = strchr(s, FLAG_SMTPUTF8) != NULL;
	return strspn(s, "EU8B") == strlen(s) && strlen(s) <= 4;
}

/* The client is another one from here on: in the log, in headers, in what it may. */
static bool
change_client(struct keeper *k)
{
	char text[64];
	struct text t;
	struct ip ip;

	memset(&ip, 0, sizeof ip);
	if (k->in.field[0][0] != '\0') {
		if (strcmp(k->in.field[0], PEER_UNKNOWN) != 0 && !parse_ip(k->in.field[0], &ip))
			return false;
		k->own.client = ip;
	}
	k->own.may_relay = k->own.always_relay ||
	                   is_ip_in(&k->own.client, &k->own.conf->relay_from);
	k->resolver.may_relay = k->own.may_relay;
	text_init(&t, text, sizeof text);
	ip_text(&t, &k->own.client);
	log_context(k->own.session_id, text);
	return say(k, ANSWER_YES);
}

static bool
do_peer(struct keeper *k)
{
	if (!is_ip_in(&k->own.client, &k->own.conf->proxies) || !change_client(k))
		return false;
	k->peer = k->own.client;
	return true;
}

static bool
do_xclient(struct keeper *k)
{
	return is_ip_in(&k->peer, &k->own.conf->xclient) && change_client(k);
}

static bool
do_begin(struct keeper *k)
{
	struct mail_from from;
	enum answer a;

	if (!is_greeting_name(k->in.field[0]) ||
	    !text_copy(from.helo, sizeof from.helo, k->in.field[0]) ||
	    !take_address(k, 1, &from.sender) || !take_flags(&from, k->in.field[3]) ||
	    !parse_u64(k->in.field[4], UINT64_MAX, &from.size))
		return false;
	a = transaction_begin(&k->transaction, &from);
	if (a == ANSWER_YES)
		k->have |= BEGUN;
	return say(k, a);
}

static bool
do_recipient(struct keeper *k)
{
	struct address to;
	enum answer a;

	if (!take_address(k, 0, &to) || to.local[0] == '\0')
		return false;
	a = transaction_add(&k->transaction, &to);
	if (a != ANSWER_YES)
		return say(k, a);
	k->have |= RECIPIENT;
	packet_start(&k->out, ANSWER_YES);
	packet_addu(&k->out, k->transaction.limit);
	return reply(k, -1);
}

static bool
do_body(struct keeper *k)
{
	enum answer a = transaction_open(&k->transaction);

	if (a != ANSWER_YES)
		return say(k, a);
	k->have |= BODY;
	packet_start(&k->out, ANSWER_YES);
	packet_add(&k->out, k->transaction.id);
	return reply(k, k->transaction.message.fd);
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
	end_transaction(k);
	return reply(k, -1);
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
	struct address a;
	uint64_t limit = k->setup->size;
	enum answer answer;

	if (!may_tell(k, &a))
		return false;
	k->scratch.n_destinations = k->scratch.n_links = 0;
	answer = resolve_recipient(&k->resolver, &a, 0, &k->scratch, &limit);
	explicit_bzero(k->scratch.destinations,
	               k->scratch.n_destinations * sizeof k->scratch.destinations[0]);
	/* A full mailbox is one all the same. */
	if (answer != ANSWER_YES && answer != ANSWER_FULL)
		return say(k, answer);
	say_address(k, &a);
	return say(k, ANSWER_YES);
}

static bool
do_expand(struct keeper *k)
{
	struct address a;

	if (!may_tell(k, &a))
		return false;
	return say(k, resolve_expand(&k->resolver, &a, say_address, k));
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
	/* verb            fields  run           needs                      bars  */
	{ VERB_BEGIN,      5,      do_begin,     0,                         BEGUN },
	{ VERB_RECIPIENT,  2,      do_recipient, BEGUN,                     BODY  },
	{ VERB_BODY,       0,      do_body,      BEGUN | RECIPIENT,         BODY  },
	{ VERB_COMMIT,     0,      do_commit,    BEGUN | RECIPIENT | BODY,  0     },
	{ VERB_ABORT,      0,      do_abort,     BEGUN,                     0     },
	{ VERB_VERIFY,     2,      do_verify,    0,                         0     },
	{ VERB_EXPAND,     2,      do_expand,    0,                         0     },
	{ VERB_PEER,       1,      do_peer,      0,                         SPOKEN },
	{ VERB_XCLIENT,    1,      do_xclient,   0,                         BEGUN },
	{ VERB_LOG,        1,      do_log,       0,                         0     },
};

static bool
is_allowed(const struct keeper *k, const struct request *r)
{
	return k->in.fd[0] == -1 && k->in.n == r->fields && !(r->needs & ~k->have) &&
	       !(r->bars & k->have);
}

static bool
handle(struct keeper *k)
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
			if (!handle(k)) {
				packet_close_fds(&k->in);
				return malformed(k, "request out of order or malformed");
			}
			if (k->lost)
				return KEEPER_DONE;
			break;
		default:
			if (errno == ECONNRESET)
				return KEEPER_DONE;
			k->in.letter = '?';
			return malformed(k, "packet malformed");
		}
	}
}

int
keeper_confine(const struct keeper_setup *setup)
{
	(void)signal(SIGIO, SIG_IGN); /* of message_seal()'s lease; a valid signal */
	if (sandbox_no_new_privs() == -1)
		return -1;
	return sandbox_landlock_files(setup->state, setup->domains);
}

/* Megabytes, of which few are ever touched; kept out of what sessions inherit. */
static struct keeper *
make_keeper(void)
{
	void *p = mmap(NULL, sizeof(struct keeper), PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

enum keeper_end
keeper_run(const struct keeper_setup *setup)
{
	static struct keeper *k;
	enum keeper_end end;

	if (k == NULL)
		k = make_keeper();
	if (k == NULL) {
		log_error("mmap", errno);
		return KEEPER_LATE;
	}

	k->own = *setup;
	k->peer = setup->client;
	k->setup = &k->own;
	k->have = 0;
	k->events = 0;
	k->lost = false;
	k->resolver.conf = setup->conf;
	k->resolver.state = setup->state;
	k->resolver.domains = setup->domains;
	k->resolver.may_relay = setup->may_relay;
	k->resolver.append = setup->append;
	transaction_init(&k->transaction, k->setup, &k->resolver);
	end = answer_session(k);
	transaction_close(&k->transaction);
	explicit_bzero(k->in.buf, sizeof k->in.buf);
	explicit_bzero(k->out.buf, sizeof k->out.buf);
	return end;
}
