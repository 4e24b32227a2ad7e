/*
 * See runner_run.h: the dialogue with a sender (base/sending.h). A sender reads the network,
 * so each of its packets is checked; one that breaks the form is given up, and what it had
 * not told of is tried again later.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "base/sending.h"
#include "relay/control.h"
#include "relay/runner_run.h"

static void
close_fd(int *fd)
{
	if (*fd != -1)
		(void)close(*fd); /* sockets: nothing is lost by it */
	*fd = -1;
}

static void
set_deadline(struct slot *s, int seconds)
{
	s->deadline = clock_ms() + (int64_t)seconds * 1000;
}

/* The sender is gone, or is to go: our ends are closed, a message goes back. */
static void
slot_close(struct slot *s)
{
	close_fd(&s->boundary);
	close_fd(&s->tls);
	close_fd(&s->tls_end);
	s->state = SLOT_FREE;
}

void
slot_quit(struct slot *s)
{
	static struct packet p;

	packet_start(&p, SEND_QUIT);
	(void)packet_send(s->boundary, &p, -1); /* gone already: the same */
	slot_close(s);
}

/* -- starting ------------------------------------------------------------------------------ */

/* A unix socket is the runner's to open; -1 with errno, which is the hop's failure. */
static int
connect_path(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)text_copy(sun.sun_path, sizeof sun.sun_path, path); /* LIMIT_SOCKET */
	if (fd != -1 && connect(fd, (struct sockaddr *)&sun, sizeof sun) == -1) {
		int err = errno;

		close_fd(&fd);
		errno = err;
	}
	return fd;
}

static int
say_connect(const struct run *r, struct slot *s, int conn)
{
	const struct route_hop *h = &r->route.hop[s->hop];
	static struct packet p;

	packet_start(&p, SEND_CONNECT);
	packet_add(&p, r->next.path[0] != '\0' ? r->next.path : h->address);
	packet_addu(&p, h->port);
	packet_add(&p, r->next.kind == NEXT_LMTP ? "lmtp" : "smtp");
	packet_add(&p, r->setup->conf->hostname);
	packet_addc(&p, slot_tls_wish(r, s));
	packet_addu(&p, RUNNER_CONNECT);
	packet_addu(&p, r->turned ? RUNNER_TURNED : RUNNER_REPLY);
	packet_addu(&p, RUNNER_FINAL);
	return packet_send(s->boundary, &p, conn);
}

/* The dispatcher, which still may, forks the sender. */
static bool
ask_for_sender(const struct run *r, struct slot *s)
{
	static struct packet p;
	static const struct timeval wait = { 60, 0 };
	int pair[2];
	bool sent;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		return false;
	packet_start(&p, CONTROL_SENDER);
	sent = packet_send(r->setup->control, &p, pair[1]) == 0;
	(void)close(pair[1]); /* the sender's */
	s->boundary = pair[0];
	/* A sender that does not read must not hold the run. */
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
	return sent;
}

static void no_hop(struct run *r, struct slot *s, char class, const char *code,
                   const char *text);

bool
slot_start(struct run *r, struct slot *s, unsigned hop, bool strict, bool plain)
{
	int conn = -1;
	bool good;

	*s = (struct slot){ .state = SLOT_CONNECTING, .hop = hop, .strict = strict,
	                    .plain = plain, .boundary = -1, .tls = -1, .tls_end = -1 };
	if (r->next.path[0] != '\0' && (conn = connect_path(r->next.path)) == -1) {
		no_hop(r, s, '4', "4.4.1", strerror(errno));
		return true;
	}
	if (r->turned) {
		conn = r->conn; /* there is no other one */
		r->conn = -1;
	}
	good = ask_for_sender(r, s) && say_connect(r, s, conn) == 0;
	if (!good)
		log_error("start a sender", errno);
	close_fd(&conn);
	set_deadline(s, RUNNER_READY);
	if (!good)
		slot_close(s);
	return good;
}

/* -- a message ------------------------------------------------------------------------------- */

static void
send_message(const struct slot *s, struct packet *p)
{
	static const char *const bodies[] = { "7BIT", "8BITMIME", "BINARYMIME" };
	static const char *const rets[] = { "", "FULL", "HDRS" };
	const struct envelope *e = &s->work->m.e;
	char flags[3];
	struct text t;

	text_init(&t, flags, sizeof flags);
	if (e->utf8)
		text_addc(&t, 'U');
	if (e->require_tls)
		text_addc(&t, 'T');
	packet_start(p, SEND_MESSAGE);
	packet_add(p, e->id);
	packet_add(p, e->sender.local);
	packet_add(p, e->sender.domain);
	packet_addu(p, e->skip);
	packet_addu(p, e->size);
	packet_add(p, bodies[e->body]);
	packet_add(p, flags);
	packet_add(p, rets[e->ret]);
	packet_add(p, e->envid);
	packet_add(p, e->auth);
	packet_addu(p, s->n);
}

/* DELIVERBY and MT-PRIORITY, which few messages have. */
static int
send_timed(const struct run *r, const struct slot *s, struct packet *p)
{
	const struct envelope *e = &s->work->m.e;
	char mode[4], priority[4];
	struct text t;

	if (e->by.mode == BY_NONE && e->priority == 0)
		return 0;
	text_init(&t, mode, sizeof mode);
	if (e->by.mode != BY_NONE)
		by_mode_text(&t, &e->by);
	text_init(&t, priority, sizeof priority);
	priority_text(&t, e->priority);
	packet_start(p, SEND_TIMED);
	packet_addu(p, (uint64_t)e->by.when);
	packet_add(p, mode);
	packet_add(p, priority);
	packet_add(p, r->setup->conf->priority.header ? "field" : "");
	return packet_send(s->boundary, p, -1);
}

static int
send_recipient(const struct slot *s, const struct envelope_to *to, struct packet *p)
{
	char notify[64];
	struct text t;

	text_init(&t, notify, sizeof notify);
	envelope_notify_text(&t, to->notify);
	packet_start(p, SEND_RECIPIENT);
	packet_add(p, to->address.local);
	packet_add(p, to->address.domain);
	packet_add(p, notify);
	packet_add(p, to->orcpt);
	return packet_send(s->boundary, p, -1);
}

/* The next of them that are due, as many as one transaction takes. */
static void
choose(const struct run *r, struct slot *s)
{
	struct work *w = s->work;
	time_t now = time(NULL);

	s->n = s->known = 0;
	for (; w->from < w->m.e.n && s->n < LIMIT_TRANSACTION; w->from++)
		if (w->outcomes[w->from].class == 0 && run_is_due(r, &w->m.e.to[w->from], now))
			s->to[s->n++] = (unsigned short)w->from;
}

static void lost(struct run *r, struct slot *s);

void
slot_send(struct run *r, struct slot *s, struct work *w)
{
	const struct route_hop *h = &r->route.hop[s->hop];
	static struct packet p;
	bool good;

	s->work = w;
	(void)text_copy(w->host, sizeof w->host, h->host);
	(void)text_copy(w->address, sizeof w->address,
	                r->next.path[0] != '\0' ? r->next.path : h->address);
	(void)text_copy(w->tls, sizeof w->tls, s->tls_version);
	choose(r, s);
	s->state = SLOT_SENDING;
	set_deadline(s, RUNNER_MESSAGE);
	send_message(s, &p);
	good = packet_send(s->boundary, &p, w->m.message_fd) == 0 &&
	       send_timed(r, s, &p) == 0;
	for (unsigned i = 0; good && i < s->n; i++)
		good = send_recipient(s, &w->m.e.to[s->to[i]], &p) == 0;
	packet_start(&p, SEND_GO);
	if (!good || packet_send(s->boundary, &p, -1) == -1)
		lost(r, s);
}

/* -- what the sender says ------------------------------------------------------------------------ */

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
	for (unsigned i = s->known; i < s->n; i++) {
		struct outcome *o = &w->outcomes[s->to[i]];

		if (o->class == 0)
			*o = (struct outcome){ .class = '4', .code = "4.3.0",
			                       .reply = "the connection was given up" };
	}
	settle(r, w);
}

static void
lost(struct run *r, struct slot *s)
{
	put_back(r, s);
	slot_close(s);
}

/* Remembers why; what fails for now at one hop is no failure for good. */
static void
remember(struct no_hop *n, char class, const char *code, const char *text)
{
	if (n->why.class == '4' && class == '5')
		return;
	n->why = (struct outcome){ .class = class };
	copy_code(n->why.code, class, code);
	copy_reply(n->why.reply, text);
}

/* This hop can't be used: the next one, or the same without TLS. */
static void
no_hop(struct run *r, struct slot *s, char class, const char *code, const char *text)
{
	char name[SCHEDULE_NAME];
	struct log_line l;
	struct slot old = *s;
	unsigned hop;

	/* A customer whose server is out of sorts has not refused its mail. */
	if (r->turned)
		class = '4';
	lost(r, s);
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
	if (!r->turned)
		schedule_failed(&r->schedule, name, r->setup->conf, time(NULL), code, text);
	remember(&r->no_hop[old.strict], class, code, text);
	if (run_find_hop(r, old.strict, old.hop + 1, &hop))
		(void)slot_start(r, s, hop, old.strict, false);
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
	if (s->state == SLOT_CONNECTING && r->is_relay && r->login[0] != '\0') {
		s->state = SLOT_LOGIN;
		packet_start(&out, SEND_LOGIN);
		packet_add(&out, r->login);
		packet_add(&out, r->password);
		(void)packet_send(s->boundary, &out, -1); /* gone: seen next */
		explicit_bzero(out.buf, out.len);
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
	no_hop(r, s, class, p->field[1], p->field[2]);
	return true;
}

static bool
on_outcome(struct run *r, struct slot *s, const struct packet *p)
{
	struct outcome *o;
	uint64_t i;
	char class = p->n == 6 ? class_of(p->field[1], "245") : 0;

	if (s->state != SLOT_SENDING || class == 0 || !parse_u64(p->field[0], s->n - 1, &i))
		return false;
	o = &s->work->outcomes[s->to[i]];
	if (o->class != 0)
		return false;
	o->class = class;
	copy_code(o->code, class, p->field[2]);
	copy_reply(o->reply, p->field[3]);
	o->remote = strcmp(p->field[4], "remote") == 0;
	o->relayed = strcmp(p->field[5], "yes") == 0;
	o->expired = false;
	s->replied |= o->remote;
	s->known++;
	settle_known(r, s->work, s->to[i]);
	return true;
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
		lost(r, s);
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
		r->barren += !s->replied;
		send_again(r, s);
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
		no_hop(r, s, '4', "4.3.0", "our own sender ended before its time");
	else
		lost(r, s);
	r->barren++;
}

void
slot_expire(struct run *r, struct slot *s)
{
	log_notice("a sender took too long");
	if (s->state == SLOT_CONNECTING || s->state == SLOT_LOGIN)
		no_hop(r, s, '4', "4.4.2", "the server took too long");
	else
		lost(r, s);
}
