/*
 * See runner_run.h: what senders say (base/sending.h). A sender reads the network, so each of
 * its packets is checked; one that breaks the form is given up, and what it had not told of is
 * tried again later.
 */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "base/sending.h"
#include "relay/runner_run.h"

/* A class as one letter; 0: it is none of those allowed. */
static char
class_of(const char *field, const char *allowed)
{
	return field[0] != '\0' && field[1] == '\0' && strchr(allowed, field[0]) != NULL ?
		field[0] : 0;
}

/* An enhanced code of RFC 3463 of this class; otherwise what says nothing else. */
static void
copy_code(char out[OUTCOME_CODE], char class, const char *code)
{
	unsigned dots = 0;
	bool good = code[0] == class && code[1] == '.' && strlen(code) < OUTCOME_CODE;

	for (const char *p = code; good && *p != '\0'; p++) {
		dots += *p == '.';
		good = *p == '.' || (*p >= '0' && *p <= '9');
	}
	if (!good || dots != 2)
		code = class == '2' ? "2.0.0" : class == '5' ? "5.0.0" : "4.0.0";
	(void)text_copy(out, OUTCOME_CODE, code); /* measured */
}

/* Nobody may put lines into a report or a file of ours; the rest is not judged. */
static void
copy_reply(char out[OUTCOME_REPLY], const char *reply)
{
	size_t n = 0;

	for (; *reply != '\0' && n < OUTCOME_REPLY - 1; reply++)
		out[n++] = (unsigned char)*reply < ' ' || *reply == 0x7f ? ' ' : *reply;
	/* Not in the middle of a character. */
	if (*reply != '\0')
		while (n > 0 && ((unsigned char)out[n - 1] & 0xc0) == 0x80)
			n--;
	if (n > 0 && *reply != '\0' && (unsigned char)out[n - 1] >= 0xc0)
		n--;
	out[n] = '\0';
}

static void
put_back(struct run *r, struct slot *s)
{
	struct work *w = s->work;

	s->work = NULL;
	if (w == NULL)
		return;
	for (unsigned i = 0; i < s->n; i++) {
		struct outcome *o = &w->outcomes[s->to[i]];

		if (o->class == 0)
			*o = (struct outcome){ .class = '4', .code = "4.3.0",
			                       .reply = "the connection was given up" };
	}
	settle(r, w);
}

void
slot_lost(struct run *r, struct slot *s)
{
	put_back(r, s);
	slot_close(s);
}

/* Remembers why; what fails for now at one hop is no failure for good. */
static void
remember(struct no_hop *n, char class, const char *code, const char *text)
{
	n->met = true;
	if (n->why.class == '4' && class == '5')
		return;
	n->why = (struct outcome){ .class = class };
	copy_code(n->why.code, class, code);
	copy_reply(n->why.reply, text);
}

/* This hop can't be used: the next one, or the same without TLS. */
void
slot_no_hop(struct run *r, struct slot *s, char class, const char *code, const char *text)
{
	char name[SCHEDULE_NAME];
	struct log_line l;
	struct slot old = *s;
	unsigned hop;

	/* A customer whose server is out of sorts has not refused its mail. */
	if (r->turned)
		class = '4';
	slot_lost(r, s);
	if (old.tls_failed && !old.must && !old.plain) {
		(void)slot_start(r, s, old.hop, old.strict, true);
		return;
	}
	run_hop_name(r, old.hop, old.strict, name);
	log_start(&l, "no-hop");
	log_field(&l, "domain", r->domain);
	if (r->route.hop[old.hop].host[0] != '\0')
		log_field(&l, "host", r->route.hop[old.hop].host);
	log_field(&l, "address", name);
	log_field(&l, "code", code);
	log_field(&l, "reply", text);
	log_send(&l, LOG_LEVEL_WARNING);
	/* A message that fails at once must not make the next one wait. */
	if (!r->turned && (!old.strict || class != '5'))
		schedule_failed(&r->schedule, name, r->setup->conf, time(NULL), code, text);
	remember(&r->no_hop[old.strict], class, code, text);
	if (run_find_hop(r, old.strict, old.hop + 1, &hop))
		(void)slot_start(r, s, hop, old.strict, false);
}

static bool
has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = words; (p = strstr(p, word)) != NULL; p += len)
		if ((p == words || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
			return true;
	return false;
}

/* RFC 8689 4.2.1 (4): without it the message goes to another host of the domain, or back. */
static void
refuse_ready(struct run *r, struct slot *s)
{
	struct slot old = *s;

	slot_quit(s);
	s->hop = old.hop;
	s->strict = true;
	slot_no_hop(r, s, '5', "5.7.30", "the next hop does not offer REQUIRETLS");
}

static bool
on_ready(struct run *r, struct slot *s, const struct packet *p)
{
	static struct packet out;
	char name[SCHEDULE_NAME];

	if (p->n != 3 || (s->state != SLOT_CONNECTING && s->state != SLOT_LOGIN))
		return false;
	/* It was said to the sender; a sender that is taken over does not decide it. */
	if (s->must && s->tls_version[0] == '\0')
		return false;
	if (s->state == SLOT_CONNECTING && r->way.is_relay && r->login[0] != '\0') {
		s->state = SLOT_LOGIN;
		packet_start(&out, SEND_LOGIN);
		packet_add(&out, r->login);
		packet_add(&out, r->password);
		(void)packet_send(s->boundary, &out, -1); /* gone: seen next */
		explicit_bzero(out.buf, out.len);
		return true;
	}
	if (s->strict && !has_word(p->field[0], "REQUIRETLS")) {
		refuse_ready(r, s);
		return true;
	}
	run_hop_name(r, s->hop, s->strict, name);
	schedule_works(&r->schedule, name);
	s->state = SLOT_IDLE;
	return true;
}

static bool
on_no_hop(struct run *r, struct slot *s, const struct packet *p)
{
	char class = p->n == 3 ? class_of(p->field[0], "45") : 0;

	if (class == 0 || (s->state != SLOT_CONNECTING && s->state != SLOT_LOGIN))
		return false;
	/* RFC 8460 4.3.1. */
	if (s->must && s->tls_version[0] == '\0' && !s->tls_failed && p->field[1][1] == '.' &&
	    p->field[1][2] == '7')
		slot_tls_result(r, s, "starttls-not-supported", p->field[2]);
	/* RFC 8689 4.2.1: no TLS that proves itself is a failure, unless the fault is ours. */
	if (s->strict && !s->tls_ours &&
	    (strcmp(p->field[1], "4.7.4") == 0 || strcmp(p->field[1], "4.7.5") == 0))
		slot_no_hop(r, s, '5', "5.7.10", p->field[2]);
	else
		slot_no_hop(r, s, class, p->field[1], p->field[2]);
	return true;
}

/* A connection that another domain has left to us: what is known of the hop here was before. */
static void
note_alive(struct run *r, const struct slot *s)
{
	char name[SCHEDULE_NAME];

	if (r->turned || r->schedule.n == 0)
		return;
	run_hop_name(r, s->hop, s->strict, name);
	schedule_works(&r->schedule, name);
}

/* One recipient's, of a packet whose form is good. False: it has one. */
static bool
take_outcome(struct run *r, struct slot *s, unsigned i, const struct packet *p)
{
	struct outcome *o = &s->work->outcomes[s->to[i]];
	char class = p->field[1][0];

	if (o->class != 0)
		return false;
	o->class = class;
	copy_code(o->code, class, p->field[2]);
	copy_reply(o->reply, p->field[3]);
	o->remote = strcmp(p->field[4], "remote") == 0;
	o->untimed = strcmp(p->field[5], "by") == 0;
	o->relayed = o->untimed || strcmp(p->field[5], "yes") == 0;
	o->expired = false;
	s->replied |= o->remote;
	if (o->remote)
		note_alive(r, s);
	s->known++;
	settle_known(r, s->work, s->to[i]);
	return true;
}

static bool
on_outcome(struct run *r, struct slot *s, const struct packet *p)
{
	const char *list = p->field[0];
	uint64_t i, last;

	if (s->state != SLOT_SENDING || p->n != 6 || class_of(p->field[1], "245") == 0 ||
	    list[0] == '\0')
		return false;
	while (parse_range(&list, s->n - 1, &i, &last))
		for (; i <= last; i++)
			if (!take_outcome(r, s, (unsigned)i, p))
				return false;
	return list[0] == '\0';
}

/* True when recipients are left for another transaction. */
static bool
has_more(const struct run *r, const struct work *w)
{
	time_t now = time(NULL);

	for (unsigned i = w->from; i < w->m.e.n; i++)
		if (run_is_due(r, &w->m.e.to[i], now))
			return true;
	return false;
}

/* The work goes on over another connection, with the recipients of this one. */
static void
send_again(struct run *r, struct slot *s)
{
	struct work *w = s->work;

	s->work = NULL;
	w->from = s->to[0];
	r->waiting[r->n_waiting++] = w;
	slot_close(s);
}

static void
put_rest(struct run *r, struct slot *s)
{
	r->barren = s->replied ? 0 : r->barren + 1;
	send_again(r, s);
}

/* RFC 1845: the connection broke. False: too often, or without progress. */
static bool
is_to_resume(struct run *r, struct work *w, uint64_t offset)
{
	struct log_line l;

	w->idle_cuts = offset > w->offset || w->cuts == 0 ? 0 : w->idle_cuts + 1;
	w->offset = offset;
	if (++w->cuts > LIMIT_CUTS || w->idle_cuts > LIMIT_IDLE_CUTS)
		return false;
	r->barren = 0;
	log_start(&l, "cut");
	log_field(&l, "id", w->m.e.id);
	log_field(&l, "domain", r->domain);
	log_number(&l, "offset", offset);
	log_send(&l, LOG_LEVEL_INFO);
	return true;
}

static bool
on_cut(struct run *r, struct slot *s, const struct packet *p)
{
	uint64_t offset;

	if (s->state != SLOT_SENDING || s->known == s->n ||
	    !parse_u64(p->field[1], INT64_MAX, &offset))
		return false;
	if (is_to_resume(r, s->work, offset))
		send_again(r, s);
	else
		slot_lost(r, s);
	return true;
}

static bool
on_end(struct run *r, struct slot *s, const struct packet *p)
{
	struct work *w = s->work;
	bool more;

	if (p->n == 2 && strcmp(p->field[0], "cut") == 0)
		return on_cut(r, s, p);
	if (p->n == 1 && s->state == SLOT_SENDING && s->known == 0 && p->field[0][0] == '\0') {
		/* The peer had closed before a word of this one was said: another connection. */
		put_rest(r, s);
		return true;
	}
	if (p->n == 1 && s->state == SLOT_SENDING && s->known > 0 &&
	    strcmp(p->field[0], "rest") == 0) {
		/* The same for those whom the peer takes on another connection only. */
		put_rest(r, s);
		return true;
	}
	if (p->n != 1 || s->state != SLOT_SENDING || s->known != s->n)
		return false;
	s->state = SLOT_IDLE;
	s->work = NULL;
	r->barren = s->replied ? 0 : r->barren + 1;
	more = has_more(r, w);
	if (strcmp(p->field[0], "yes") != 0)
		slot_close(s);
	if (more)
		r->waiting[r->n_waiting++] = w;
	else
		settle(r, w);
	return true;
}

void
slot_event(struct run *r, struct slot *s)
{
	static struct packet p;
	int got = packet_recv(s->boundary, &p);
	bool good = false;

	if (got == 1) {
		switch ((enum send_word)p.letter) {
		case SEND_READY:
			good = on_ready(r, s, &p);
			break;
		case SEND_NO_HOP:
			good = on_no_hop(r, s, &p);
			break;
		case SEND_OUTCOME:
			good = on_outcome(r, s, &p);
			break;
		case SEND_END:
			good = on_end(r, s, &p);
			break;
		case SEND_PROGRESS:
			break; /* nobody has asked for it */
		case SEND_SAID:
			break; /* nothing is ever asked */
		case SEND_WANTS_TLS:
			good = s->state == SLOT_CONNECTING && s->tls == -1 &&
			       s->tls_version[0] == '\0' && p.fd[0] != -1 && p.fd[1] == -1;
			if (good) {
				slot_tls_begin(r, s, p.fd[0]);
				p.fd[0] = -1;
			}
			break;
		}
		packet_close_fds(&p);
	}
	if (good)
		return;
	if (s->state == SLOT_IDLE && got != 1) {
		slot_close(s); /* the peer has closed an idle connection */
		return;
	}
	log_notice(got == 1 ? "a sender broke the form of the dialogue" :
	                      "a sender ended before its time");
	if (s->state == SLOT_CONNECTING || s->state == SLOT_LOGIN)
		slot_no_hop(r, s, '4', "4.3.0", "our own sender ended before its time");
	else
		slot_lost(r, s);
	r->barren++;
}

void
slot_expire(struct run *r, struct slot *s)
{
	log_notice("a sender took too long");
	if (s->state == SLOT_CONNECTING || s->state == SLOT_LOGIN)
		slot_no_hop(r, s, '4', "4.4.2", "the server took too long");
	else
		slot_lost(r, s);
}
