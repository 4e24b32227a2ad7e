/*
 * See post.h. A sender reads the network, so what it says is checked for its form, as the
 * runner does it (relay/runner_slot.c).
 */
#include "post/post.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "base/packet.h"

/* Seconds: between two connections at first, and at most. */
#define PAUSE 1
#define PAUSE_MOST 30
/* For a connection; for the reply behind the final dot (RFC 5321 4.5.3.2.6). */
#define CONNECT 30
#define FINAL 600

enum attempt {
	ATTEMPT_DONE,  /* every recipient has an outcome */
	ATTEMPT_REST,  /* the others need another connection (RFC 9422 MAILMAX) */
	ATTEMPT_CUT,   /* the connection broke */
	ATTEMPT_LATER, /* the server can't now */
	ATTEMPT_NEVER, /* told: another attempt would end the same way */
};

struct talk {
	const struct post *p;
	const struct post_message *m;
	int boundary;
	bool known[LIMIT_RECIPIENTS];  /* has an outcome for good */
	unsigned n_known, n_refused;
	unsigned which[LIMIT_RECIPIENTS]; /* recipients of this attempt */
	unsigned n;
	bool begun;                    /* some connection got as far as the message */
	uint64_t offset;               /* what the server had when we began */
	char why[LIMIT_REPLY + 64];
	struct packet in, out;
};

static void
set_why(struct talk *t, const char *what, const char *more)
{
	struct text w;

	text_init(&w, t->why, sizeof t->why);
	text_add(&w, what);
	text_add(&w, more); /* a long one is cut */
}

static bool
say(struct talk *t, int fd)
{
	return packet_send(t->boundary, &t->out, fd) == 0;
}

/* -- the dialogue ----------------------------------------------------------------------- */

static bool
say_connect(struct talk *t, const char *address)
{
	const struct post *p = t->p;

	packet_start(&t->out, SEND_CONNECT);
	packet_add(&t->out, address);
	packet_add(&t->out, p->port);
	packet_add(&t->out, "smtp");
	packet_add(&t->out, p->hello);
	packet_addc(&t->out, (char)p->tls);
	packet_addu(&t->out, CONNECT);
	packet_addu(&t->out, p->seconds);
	packet_addu(&t->out, FINAL);
	return say(t, -1);
}

static bool
say_login(struct talk *t)
{
	bool good;

	packet_start(&t->out, SEND_LOGIN);
	packet_add(&t->out, t->p->login);
	packet_add(&t->out, t->p->password);
	good = say(t, -1);
	explicit_bzero(t->out.buf, sizeof t->out.buf);
	return good;
}

static bool
say_message(struct talk *t)
{
	const struct post_message *m = t->m;
	bool good;

	for (unsigned i = t->n = 0; i < m->n; i++)
		if (!t->known[i])
			t->which[t->n++] = i;
	packet_start(&t->out, SEND_MESSAGE);
	packet_add(&t->out, m->id);
	packet_add(&t->out, m->from.local);
	packet_add(&t->out, m->from.domain);
	packet_addu(&t->out, 0);
	packet_addu(&t->out, m->size);
	packet_add(&t->out, "8BITMIME");
	packet_add(&t->out, m->utf8 ? "UR" : "R");
	packet_add(&t->out, "");
	packet_add(&t->out, "");
	packet_add(&t->out, "");
	packet_addu(&t->out, t->n);
	good = say(t, m->fd);
	for (unsigned i = 0; good && i < t->n; i++) {
		packet_start(&t->out, SEND_RECIPIENT);
		packet_add(&t->out, m->to[t->which[i]].local);
		packet_add(&t->out, m->to[t->which[i]].domain);
		packet_add(&t->out, "-");
		packet_add(&t->out, "");
		good = say(t, -1);
	}
	packet_start(&t->out, SEND_GO);
	return good && say(t, -1);
}

static bool
hear_wants_tls(struct talk *t)
{
	char why[LIMIT_REPLY];
	int conn = t->in.fd[0], end;
	bool good;

	if (conn == -1)
		return false;
	end = post_secure(t->p, conn, why);
	(void)close(conn); /* tls has it, or nobody */
	t->in.fd[0] = -1;
	if (end == -1)
		set_why(t, "TLS: ", why);
	packet_start(&t->out, SEND_TLS);
	packet_add(&t->out, end != -1 ? "yes" : "");
	good = say(t, end);
	if (end != -1)
		(void)close(end); /* the sender's now */
	return good;
}

/* An outcome for good. False: there was one. */
static bool
settle(struct talk *t, unsigned i, char class, const char *reply)
{
	char to[LIMIT_ADDRESS + 1];
	struct text w;

	if (t->known[i])
		return false;
	t->known[i] = true;
	t->n_known++;
	t->n_refused += class == '5';
	text_init(&w, to, sizeof to);
	address_text(&w, &t->m->to[i]);
	post_bar_clear();
	(void)fprintf(class == '2' ? stdout : stderr, "%s: %s to %s: %s\n", t->m->name,
	              class == '2' ? "sent" : "refused", to, reply);
	return true;
}

static bool
hear_outcome(struct talk *t)
{
	const char *const *f = t->in.field;
	const char *list = f[0];
	char class = t->in.n == 6 && f[1][0] != '\0' && f[1][1] == '\0' ? f[1][0] : 0;
	uint64_t i, last;

	if ((class != '2' && class != '4' && class != '5') || t->n == 0 || list[0] == '\0')
		return false;
	if (class == '4')
		set_why(t, f[3], "");
	while (parse_range(&list, t->n - 1, &i, &last))
		for (; i <= last && class != '4'; i++)
			if (!settle(t, t->which[i], class, f[3]))
				return false;
	return list[0] == '\0';
}

static bool
hear_progress(const struct talk *t)
{
	uint64_t done, all;

	if (t->in.n != 2 || !parse_u64(t->in.field[0], INT64_MAX, &done) ||
	    !parse_u64(t->in.field[1], INT64_MAX, &all) || done > all)
		return false;
	post_bar(done, all);
	return true;
}

static bool
hear_end(struct talk *t, enum attempt *a)
{
	uint64_t offset;

	if (t->in.n == 2 && strcmp(t->in.field[0], "cut") == 0 &&
	    parse_u64(t->in.field[1], INT64_MAX, &offset)) {
		*a = ATTEMPT_CUT;
		t->offset = offset;
		return true;
	}
	*a = t->n_known == t->m->n                ? ATTEMPT_DONE :
	     strcmp(t->in.field[0], "rest") == 0 ? ATTEMPT_REST : ATTEMPT_LATER;
	return t->in.n == 1;
}

/* SEND_READY: the login, and then the message. */
static bool
hear_ready(struct talk *t, bool *logged_in)
{
	if (t->p->login[0] != '\0' && !*logged_in) {
		*logged_in = true;
		return say_login(t);
	}
	t->begun = true;
	return say_message(t);
}

/* The packet at hand. False: the sender is of no more use; *a says how it ended. */
static bool
hear(struct talk *t, bool *logged_in, enum attempt *a)
{
	bool good = false;

	switch (t->in.letter) {
	case SEND_READY:
		good = hear_ready(t, logged_in);
		break;
	case SEND_WANTS_TLS:
		good = hear_wants_tls(t);
		break;
	case SEND_OUTCOME:
		good = hear_outcome(t);
		break;
	case SEND_PROGRESS:
		good = hear_progress(t);
		break;
	case SEND_NO_HOP:
		if (t->in.n == 3 && strncmp(t->why, "TLS: ", 5) != 0)
			set_why(t, t->in.field[2], "");
		/* A password that is wrong stays wrong; who never answered may be no server. */
		*a = *logged_in || !t->begun ? ATTEMPT_NEVER : ATTEMPT_CUT;
		return false;
	case SEND_END:
		if (!hear_end(t, a))
			set_why(t, "our own sender speaks another language", "");
		return false;
	default:
		break; /* what nobody has asked for */
	}
	if (!good)
		set_why(t, "our own sender ended before its time", "");
	return good;
}

static enum attempt
attempt(struct talk *t, const char *address)
{
	enum attempt a = ATTEMPT_LATER;
	bool logged_in = false;

	t->why[0] = '\0';
	t->n = 0;
	t->boundary = t->p->start();
	if (t->boundary == -1) {
		set_why(t, "start a sender: ", strerror(errno));
		return ATTEMPT_NEVER;
	}
	if (say_connect(t, address))
		while (packet_recv(t->boundary, &t->in) == 1 && hear(t, &logged_in, &a))
			packet_close_fds(&t->in);
	packet_start(&t->out, SEND_QUIT);
	(void)say(t, -1); /* gone already: the same */
	(void)close(t->boundary);
	if (t->why[0] == '\0')
		set_why(t, "the connection broke", "");
	return a;
}

/* -- addresses -------------------------------------------------------------------------- */

/* Each address of the host, until one answers. */
static enum attempt
attempt_host(struct talk *t)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *all = NULL;
	enum attempt a = ATTEMPT_NEVER;
	char address[64];
	bool begun = t->begun;
	int err = getaddrinfo(t->p->host, t->p->port, &hints, &all);

	if (err != 0) {
		set_why(t, "", gai_strerror(err));
		return t->begun ? ATTEMPT_CUT : ATTEMPT_NEVER;
	}
	for (const struct addrinfo *i = all; i != NULL; i = i->ai_next) {
		if (getnameinfo(i->ai_addr, i->ai_addrlen, address, sizeof address, NULL, 0,
		                NI_NUMERICHOST) != 0)
			continue;
		a = attempt(t, address);
		if (a == ATTEMPT_DONE || t->begun != begun || t->n > 0)
			break;
	}
	freeaddrinfo(all);
	return a;
}

/* -- until it is done -------------------------------------------------------------------- */

static void
pause_for(unsigned seconds)
{
	struct timespec wait = { (time_t)seconds, 0 };

	while (nanosleep(&wait, &wait) == -1 && errno == EINTR)
		;
}

static enum post_end
give_up(const struct talk *t)
{
	(void)fprintf(stderr, "%s: not sent: %s\n", t->m->name, t->why);
	if (t->begun)
		(void)fprintf(stderr, "%s: the same command, within three days, goes on where it was\n",
		              t->m->name);
	return POST_LATER;
}

enum post_end
post_send(const struct post *p, const struct post_message *m)
{
	static struct talk talk; /* too large for a stack */
	struct talk *t = &talk;
	uint64_t best = 0, idle = 0;
	unsigned wait = PAUSE;

	memset(t, 0, sizeof *t);
	t->p = p;
	t->m = m;
	for (;;) {
		unsigned n_known = t->n_known;
		enum attempt a = attempt_host(t);

		post_bar_clear();
		if (t->n_known == m->n || a == ATTEMPT_DONE)
			return t->n_refused > 0 ? POST_REFUSED : POST_SENT;
		if (a == ATTEMPT_REST && t->n_known > n_known)
			continue;
		if (a == ATTEMPT_CUT && t->offset > best) {
			best = t->offset;
			idle = 0;
			wait = PAUSE;
		} else if (++idle >= p->tries || a == ATTEMPT_NEVER) {
			return give_up(t);
		} else {
			(void)fprintf(stderr, "%s: %s; again in %u s\n", m->name, t->why, wait);
			pause_for(wait);
			wait = wait * 2 < PAUSE_MOST ? wait * 2 : PAUSE_MOST;
		}
	}
}
