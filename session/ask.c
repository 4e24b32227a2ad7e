/* See ask.h. Every question but abort and log waits for its answer. */
#include "session/ask.h"

#include <string.h>

#include "base/envelope.h"
#include "base/num.h"
#include "session/parameter.h"

void
ask_init(struct ask *k, int fd)
{
	k->fd = fd;
	k->gone = false;
}

static void
tell(struct ask *k)
{
	if (!k->gone && packet_send(k->fd, &k->packet, -1) == -1)
		k->gone = true;
}

static enum answer
hear(struct ask *k)
{
	if (k->gone || packet_recv(k->fd, &k->packet) != 1) {
		k->gone = true;
		return ANSWER_GONE;
	}
	return (enum answer)(unsigned char)k->packet.letter;
}

static enum answer
ask(struct ask *k)
{
	tell(k);
	return hear(k);
}

/* The answer broke the protocol: as good as none. */
static enum answer
unclear(struct ask *k)
{
	packet_close_fds(&k->packet); /* this process may serve another client */
	k->gone = true;
	return ANSWER_GONE;
}

static enum answer
ask_with_ip(struct ask *k, enum verb verb, const struct ip *ip)
{
	char text[64];
	struct text t;

	text_init(&t, text, sizeof text);
	if (ip != NULL && ip->known)
		ip_text(&t, ip);
	else if (ip != NULL)
		text_add(&t, PEER_UNKNOWN);
	packet_start(&k->packet, (char)verb);
	packet_add(&k->packet, text);
	return ask(k);
}

enum answer
ask_peer(struct ask *k, const struct ip *ip)
{
	/* A proxy that speaks for itself ("UNKNOWN", LOCAL) changes nothing. */
	return ask_with_ip(k, VERB_PEER, ip->known ? ip : NULL);
}

enum answer
ask_xclient(struct ask *k, const struct ip *ip)
{
	return ask_with_ip(k, VERB_XCLIENT, ip);
}

enum answer
ask_begin(struct ask *k, const struct sender *s, const char *auth)
{
	char flags[5];
	struct text t;

	text_init(&t, flags, sizeof flags);
	if (s->esmtp)
		text_addc(&t, FLAG_ESMTP);
	if (s->smtputf8)
		text_addc(&t, FLAG_SMTPUTF8);
	if (s->eight_bit)
		text_addc(&t, FLAG_8BITMIME);
	if (s->binary)
		text_addc(&t, FLAG_BINARYMIME);
	packet_start(&k->packet, VERB_BEGIN);
	packet_add(&k->packet, s->helo);
	packet_add(&k->packet, s->address.local);
	packet_add(&k->packet, s->address.domain);
	packet_add(&k->packet, flags);
	packet_addu(&k->packet, s->size);
	packet_add(&k->packet, auth);
	return ask(k);
}

void
ask_return(struct ask *k, const char *ret, const char *envid)
{
	packet_start(&k->packet, VERB_RETURN);
	packet_add(&k->packet, ret);
	packet_add(&k->packet, envid);
	tell(k);
}

void
ask_notify(struct ask *k, unsigned notify, const char *orcpt)
{
	char words[32];
	struct text t;

	text_init(&t, words, sizeof words);
	if (notify != 0)
		envelope_notify_text(&t, notify);
	packet_start(&k->packet, VERB_NOTIFY);
	packet_add(&k->packet, words);
	packet_add(&k->packet, orcpt);
	tell(k);
}

enum answer
ask_timed(struct ask *k, const struct mail_parameters *m, int *priority)
{
	enum answer a;

	packet_start(&k->packet, VERB_TIMED);
	packet_add(&k->packet, m->by);
	packet_add(&k->packet, m->hold_for);
	packet_add(&k->packet, m->hold_until);
	packet_add(&k->packet, m->priority);
	a = ask(k);
	if (a == ANSWER_YES &&
	    (k->packet.n != 1 || !parse_priority(k->packet.field[0], priority)))
		return unclear(k);
	return a;
}

static void
start_address(struct ask *k, enum verb verb, const struct address *a)
{
	packet_start(&k->packet, (char)verb);
	packet_add(&k->packet, a->local);
	packet_add(&k->packet, a->domain);
}

enum answer
ask_recipient(struct ask *k, const struct address *a, uint64_t *limit)
{
	enum answer answer;

	start_address(k, VERB_RECIPIENT, a);
	answer = ask(k);
	if (answer == ANSWER_YES &&
	    (k->packet.n != 1 || !parse_u64(k->packet.field[0], UINT64_MAX, limit)))
		return unclear(k);
	return answer;
}

enum answer
ask_body(struct ask *k, int *fd, char id[LIMIT_ID + 1])
{
	enum answer answer;

	packet_start(&k->packet, VERB_BODY);
	answer = ask(k);
	*fd = k->packet.fd[0];
	if (answer == ANSWER_YES && (*fd == -1 || k->packet.n != 1 ||
	                             !text_copy(id, LIMIT_ID + 1, k->packet.field[0])))
		return unclear(k);
	return answer;
}

/* The fields of ANSWER_RESUME. */
static bool
read_resume(const struct packet *p, struct resume *r)
{
	uint64_t recipients;

	if (p->n != 4 || !parse_u64(p->field[0], LIMIT_MESSAGE, &r->offset) ||
	    !parse_u64(p->field[1], LIMIT_RECIPIENTS, &recipients) ||
	    !parse_u64(p->field[2], UINT64_MAX, &r->limit))
		return false;
	r->recipients = (unsigned)recipients;
	r->whole = p->field[3][0] != '\0';
	return r->recipients > 0;
}

enum answer
ask_transid(struct ask *k, const char *transid, struct resume *r,
            void (*seen)(void *context, const char *address), void *context)
{
	enum answer answer;

	packet_start(&k->packet, VERB_TRANSID);
	packet_add(&k->packet, transid);
	for (answer = ask(k); answer == ANSWER_MORE; answer = hear(k))
		for (unsigned i = 0; i < k->packet.n; i++)
			seen(context, k->packet.field[i]);
	if (answer == ANSWER_RESUME && !read_resume(&k->packet, r))
		return unclear(k);
	return answer;
}

void
ask_note(struct ask *k, uint64_t written, uint64_t canonical)
{
	packet_start(&k->packet, VERB_NOTE);
	packet_addu(&k->packet, written);
	packet_addu(&k->packet, canonical);
	tell(k);
}

void
ask_park(struct ask *k)
{
	packet_start(&k->packet, VERB_PARK);
	tell(k);
}

enum answer
ask_commit(struct ask *k, char id[LIMIT_ID + 1], char outcomes[LIMIT_RECIPIENTS + 1])
{
	enum answer answer;

	packet_start(&k->packet, VERB_COMMIT);
	answer = ask(k);
	if (answer == ANSWER_OUTCOMES &&
	    (k->packet.n != 2 || k->packet.field[1][0] == '\0' ||
	     !text_copy(id, LIMIT_ID + 1, k->packet.field[0]) ||
	     !text_copy(outcomes, LIMIT_RECIPIENTS + 1, k->packet.field[1])))
		return unclear(k);
	return answer;
}

void
ask_abort(struct ask *k)
{
	packet_start(&k->packet, VERB_ABORT);
	tell(k);
}

enum answer
ask_verify(struct ask *k, const struct address *a)
{
	start_address(k, VERB_VERIFY, a);
	return ask(k);
}

enum answer
ask_expand(struct ask *k, const struct address *a)
{
	start_address(k, VERB_EXPAND, a);
	return ask(k);
}

enum answer
ask_more(struct ask *k)
{
	return hear(k);
}

enum answer
ask_tls(struct ask *k)
{
	packet_start(&k->packet, VERB_TLS);
	return ask(k);
}

enum answer
ask_secure(struct ask *k, int *fd, bool *certificate, bool *channel)
{
	enum answer answer;

	packet_start(&k->packet, VERB_SECURE);
	answer = ask(k);
	if (answer == ANSWER_YES && (k->packet.fd[0] == -1 || k->packet.n != 2))
		return unclear(k);
	*fd = k->packet.fd[0];
	*certificate = answer == ANSWER_YES && strcmp(k->packet.field[0], "yes") == 0;
	*channel = answer == ANSWER_YES && strcmp(k->packet.field[1], "yes") == 0;
	return answer;
}

/* The answer comes into the same buffer, but need not be as long as a password. */
static enum answer
ask_secretly(struct ask *k)
{
	tell(k);
	explicit_bzero(k->packet.buf, sizeof k->packet.buf);
	if (hear(k) == ANSWER_CHALLENGE && k->packet.n != 1)
		return unclear(k);
	return k->gone ? ANSWER_GONE : (enum answer)(unsigned char)k->packet.letter;
}

enum answer
ask_auth(struct ask *k, const char *mechanism, const char *response)
{
	packet_start(&k->packet, VERB_AUTH);
	packet_add(&k->packet, mechanism);
	packet_add(&k->packet, response);
	return ask_secretly(k);
}

enum answer
ask_response(struct ask *k, const char *response)
{
	packet_start(&k->packet, VERB_RESPONSE);
	packet_add(&k->packet, response);
	return ask_secretly(k);
}

void
ask_cancel(struct ask *k)
{
	packet_start(&k->packet, VERB_CANCEL);
	tell(k);
}

enum answer
ask_flush(struct ask *k, enum ask_kind kind, const char *name, uint64_t *count)
{
	enum answer answer;

	packet_start(&k->packet, VERB_FLUSH);
	packet_addc(&k->packet, (char)kind);
	packet_add(&k->packet, name);
	answer = ask(k);
	if (answer == ANSWER_YES &&
	    (k->packet.n != 1 || !parse_u64(k->packet.field[0], UINT64_MAX, count)))
		return unclear(k);
	return answer;
}

enum answer
ask_turn(struct ask *k, const char *domains)
{
	packet_start(&k->packet, VERB_TURN);
	packet_add(&k->packet, domains);
	return ask(k);
}

void
ask_turned(struct ask *k)
{
	packet_start(&k->packet, VERB_TURNED);
	tell(k);
}

void
ask_log(struct ask *k, enum event e)
{
	packet_start(&k->packet, VERB_LOG);
	packet_addc(&k->packet, (char)e);
	tell(k);
}
