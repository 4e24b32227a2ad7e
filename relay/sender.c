/*
 * See sender.h. The dialogue of base/sending.h, the sender's side: everything from the
 * runner is checked for its form, everything from the peer is left to client*.c.
 */
#include "relay/sender.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/num.h"
#include "base/packet.h"
#include "relay/client_auth.h"
#include "relay/client_send.h"
#include "relay/sender_lock.h"
#include "relay/sender_message.h"
#include "relay/sender_outcome.h"

/* Longest that any deadline may be: a day. */
#define SECONDS_MAX 86400

struct sender {
	int boundary;
	bool lock;
	enum send_tls policy;
	bool login_tried;
	bool used;              /* a message was sent over the connection */
	char hello[LIMIT_DOMAIN + 3];
	struct packet in, out;
	struct client client;
	struct client_message message;
	struct sender_outcome outcome; /* of this message */
};

static struct sender s; /* one in a process */

/* Why there is no next packet. */
enum next { NEXT_PACKET, NEXT_END, NEXT_MALFORMED };

/* The packet that belongs to what came before; SO_RCVTIMEO bounds the wait. */
static enum next
receive_more(void)
{
	int n = packet_recv(s.boundary, &s.in);

	if (n == 1)
		return NEXT_PACKET;
	/* It is gone, or stuck. */
	return n == 0 || errno == ECONNRESET || errno == EAGAIN ? NEXT_END : NEXT_MALFORMED;
}

static enum next
receive(void)
{
	static const struct timespec wait = { LIMIT_SENDER_IDLE, 0 };
	struct pollfd p = { s.boundary, POLLIN, 0 };
	int n;

	do
		n = ppoll(&p, 1, &wait, NULL);
	while (n == -1 && errno == EINTR);
	return n > 0 ? receive_more() : NEXT_END;
}

static bool
send_out(int fd)
{
	return packet_send(s.boundary, &s.out, fd) == 0;
}

static enum sender_end
say_no_hop(const struct client_verdict *v)
{
	char class[2] = { v->class, '\0' };

	packet_start(&s.out, SEND_NO_HOP);
	packet_add(&s.out, class);
	packet_add(&s.out, v->enhanced);
	packet_add(&s.out, v->text);
	(void)send_out(-1); /* the runner may be gone, and then nobody wants to know */
	return SENDER_DONE;
}

static bool
say_ready(void)
{
	char words[512];
	struct text t;

	text_init(&t, words, sizeof words);
	client_offer_text(&t, &s.client.offer);
	packet_start(&s.out, SEND_READY);
	packet_add(&s.out, words);
	packet_add(&s.out, s.client.host);
	packet_add(&s.out, s.client.tls ? "yes" : "");
	return send_out(-1);
}

static bool
is_seconds(const char *field, uint64_t *out)
{
	return parse_u64(field, SECONDS_MAX, out) && *out > 0;
}

/* What stands behind a verb must not end the line. */
static bool
is_plain_word(const char *w)
{
	for (const char *p = w; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~')
			return false;
	return w[0] != '\0';
}

/* Printable, so that it is one line and stays one. */
static bool
is_line(const char *w)
{
	for (const char *p = w; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			return false;
	return w[0] != '\0';
}

/* SEND_CONNECT. False: malformed. *fd is the connection, or -1 and problem says why. */
static bool
take_connect(int *fd)
{
	const char *const *f = s.in.field;
	uint64_t seconds, reply, final;
	bool lmtp;

	if (is_packet_other(&s.in, SEND_CONNECT, 8, true))
		return false;
	*fd = s.in.fd[0];
	lmtp = strcmp(f[2], "lmtp") == 0;
	if ((!lmtp && strcmp(f[2], "smtp") != 0) || !is_plain_word(f[3]) ||
	    !text_copy(s.hello, sizeof s.hello, f[3]) || strlen(f[4]) != 1 ||
	    strchr("nomi", f[4][0]) == NULL || !is_seconds(f[5], &seconds) ||
	    !is_seconds(f[6], &reply) || !is_seconds(f[7], &final)) {
		packet_close_fds(&s.in);
		return false;
	}
	s.policy = (enum send_tls)f[4][0];
	client_init(&s.client, *fd, s.boundary, lmtp, s.hello);
	s.client.reply_seconds = reply;
	s.client.final_seconds = final;
	if (*fd == -1)
		*fd = client_connect(f[0], f[1], seconds, &s.client.problem);
	s.client.io.fd = *fd;
	return true;
}

enum secured { SECURED, NOT_SECURED, SECURE_END, SECURE_MALFORMED };

/* Hands the connection to the runner, and takes the plain side of TLS for it. */
static enum secured
secure(void)
{
	bool yes;
	int fd;

	packet_start(&s.out, SEND_WANTS_TLS);
	if (!send_out(s.client.io.fd))
		return SECURE_END;
	(void)close(s.client.io.fd); /* whoever holds it now speaks for it */
	s.client.io.fd = -1;
	switch (receive()) {
	case NEXT_END:
		return SECURE_END;
	case NEXT_MALFORMED:
		return SECURE_MALFORMED;
	case NEXT_PACKET:
		break;
	}
	if (is_packet_other(&s.in, SEND_TLS, 1, true))
		return SECURE_MALFORMED;
	fd = s.in.fd[0];
	yes = strcmp(s.in.field[0], "yes") == 0;
	if (yes != (fd != -1)) {
		packet_close_fds(&s.in);
		return SECURE_MALFORMED;
	}
	if (!yes) {
		client_verdict_local(&s.client.problem, "4.7.5", "the TLS handshake failed", "");
		return NOT_SECURED;
	}
	client_secured(&s.client, fd);
	return SECURED;
}

/* STARTTLS where it is offered, and hello again. */
static enum secured
start_tls(void)
{
	struct client *c = &s.client;
	enum secured r;

	if (!(c->offer.have & EXT_STARTTLS)) {
		client_verdict_local(&c->problem, "4.7.4", "the next hop does not offer STARTTLS", "");
		return s.policy == SEND_TLS_MAY ? SECURED : NOT_SECURED;
	}
	switch (client_starttls(c)) {
	case CLIENT_TLS_REFUSED:
		return s.policy == SEND_TLS_MAY ? SECURED : NOT_SECURED;
	case CLIENT_TLS_FAILED:
		return NOT_SECURED;
	case CLIENT_TLS_GO:
		break;
	}
	r = secure();
	if (r == SECURED && !client_hello(c))
		return NOT_SECURED;
	return r;
}

/* From the connection to where messages can be sent. */
static enum secured
open_dialogue(void)
{
	struct client *c = &s.client;
	enum secured r = s.policy == SEND_TLS_FIRST ? secure() : SECURED;

	if (r != SECURED)
		return r;
	if (!client_greeting(c) || !client_hello(c))
		return NOT_SECURED;
	if (s.policy == SEND_TLS_MAY || s.policy == SEND_TLS_MUST)
		return start_tls();
	return SECURED;
}

/* SEND_LOGIN. */
static enum next
take_login(void)
{
	bool good;

	if (is_packet_other(&s.in, SEND_LOGIN, 2, false) || s.login_tried)
		return NEXT_MALFORMED;
	s.login_tried = true;
	good = client_login(&s.client, s.in.field[0], s.in.field[1]);
	explicit_bzero(s.in.buf, sizeof s.in.buf);
	if (!good) {
		(void)say_no_hop(&s.client.problem);
		client_quit(&s.client);
		return NEXT_END;
	}
	return say_ready() ? NEXT_PACKET : NEXT_END;
}

/* SEND_ASK: our line must be one, and so must what follows the reply to a turn: nothing. */
static enum next
take_ask(void)
{
	struct client *c = &s.client;
	char line[LIMIT_ATRN + 16];
	struct client_reply r;
	bool turn;

	if (is_packet_other(&s.in, SEND_ASK, 2, false) || !is_line(s.in.field[0]) ||
	    !text_copy(line, sizeof line, s.in.field[0]))
		return NEXT_MALFORMED;
	turn = strcmp(s.in.field[1], "turn") == 0;
	if (!client_ask(c, line, NULL, &r) || (turn && r.code == 250 && client_has_input(&c->io))) {
		if (c->io.trouble == CLIENT_FINE)
			client_verdict_local(&c->problem, "4.5.0", "octets behind the reply to ATRN", "");
		(void)say_no_hop(&c->problem);
		return NEXT_END;
	}
	packet_start(&s.out, SEND_SAID);
	packet_addu(&s.out, (uint64_t)r.code);
	packet_add(&s.out, r.first);
	if (!turn || r.code != 250)
		return send_out(-1) ? NEXT_PACKET : NEXT_END;
	(void)send_out(c->io.fd); /* the runner is gone, or has it */
	(void)close(c->io.fd);
	c->io.fd = -1;
	return NEXT_END;
}

/* The recipients and SEND_GO. */
static enum next
receive_recipients(struct client_message *m)
{
	enum next r = NEXT_PACKET;

	for (unsigned i = 0; i <= m->n && r == NEXT_PACKET; i++) {
		r = receive_more();
		if (r == NEXT_PACKET && i == 0 && s.in.letter == SEND_TIMED)
			r = sender_read_timed(&s.in, m) ? receive_more() : NEXT_MALFORMED;
		if (r != NEXT_PACKET)
			break;
		if (i < m->n ? !sender_read_recipient(&s.in, m, &m->to[i]) :
		               is_packet_other(&s.in, SEND_GO, 0, false))
			r = NEXT_MALFORMED;
	}
	return r;
}

/* Between two messages the peer has nothing to say but 421, or has closed. */
static bool
is_stale(void)
{
	static const struct timespec now = { 0, 0 };
	struct pollfd p = { s.client.io.fd, POLLIN | POLLRDHUP, 0 };

	return ppoll(&p, 1, &now, NULL) != 0;
}

static void
say_progress(void *arg, uint64_t done, uint64_t all)
{
	(void)arg;
	packet_start(&s.out, SEND_PROGRESS);
	packet_addu(&s.out, done);
	packet_addu(&s.out, all);
	packet_offer(s.boundary, &s.out); /* the next one says more */
}

static void
say_end(void)
{
	packet_start(&s.out, SEND_END);
	packet_add(&s.out, s.client.cut ? "cut" : s.client.has_rest ? "rest" :
	                    s.client.unusable ? "" : "yes");
	if (s.client.cut)
		packet_addu(&s.out, s.client.offset);
}

static enum next
take_message(void)
{
	struct client_message *m = &s.message;
	enum next r = NEXT_MALFORMED;

	if (sender_read_message(&s.in, m))
		r = receive_recipients(m);
	s.outcome = (struct sender_outcome){ .boundary = s.boundary, .used = s.used, .out = &s.out,
		.client = &s.client, .message = m };
	s.client.resume_from = m->eager ? 0 : LIMIT_RESUME_FROM;
	s.client.progress = m->eager ? say_progress : NULL;
	if (r == NEXT_PACKET) {
		s.client.has_rest = false;
		if (s.used && is_stale())
			s.client.unusable = true;
		else
			client_send(&s.client, m, sender_outcome_add, &s.outcome);
		sender_outcome_tell(&s.outcome);
		client_send_end(&s.client);
		s.used = true;
		say_end();
		if (s.client.io.trouble == CLIENT_ABANDONED || !send_out(-1) || s.client.unusable)
			r = NEXT_END;
	}
	packet_close_fds(&s.in);
	if (m->fd != -1)
		(void)close(m->fd); /* it was for reading */
	return r;
}

static enum next
take_packet(void)
{
	enum next r = receive();

	if (r != NEXT_PACKET)
		return r;
	switch ((enum send_verb)s.in.letter) {
	case SEND_LOGIN:
		return take_login();
	case SEND_MESSAGE:
		return take_message();
	case SEND_ASK:
		return take_ask();
	case SEND_QUIT:
		if (is_packet_other(&s.in, SEND_QUIT, 0, false))
			return NEXT_MALFORMED;
		client_quit(&s.client);
		return NEXT_END;
	case SEND_CONNECT:
	case SEND_TIMED:
	case SEND_RECIPIENT:
	case SEND_GO:
	case SEND_TLS:
		break;
	}
	packet_close_fds(&s.in);
	return NEXT_MALFORMED;
}

static enum sender_end
serve(void)
{
	enum next next;

	switch (open_dialogue()) {
	case SECURED:
		break;
	case NOT_SECURED:
		(void)say_no_hop(&s.client.problem);
		if (s.client.io.fd != -1)
			client_quit(&s.client);
		return SENDER_DONE;
	case SECURE_END:
		return SENDER_DONE;
	case SECURE_MALFORMED:
		return SENDER_MALFORMED;
	}
	if (!say_ready())
		return SENDER_DONE;
	do
		next = take_packet();
	while (next == NEXT_PACKET);
	return next == NEXT_END ? SENDER_DONE : SENDER_MALFORMED;
}

enum sender_end
sender_run(int boundary, bool lock)
{
	static const struct timeval wait = { LIMIT_SENDER_IDLE, 0 };
	enum sender_end end;
	int fd;

	s.boundary = boundary;
	s.login_tried = s.used = false;
	if (sodium_init() == -1 ||
	    setsockopt(boundary, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == -1)
		return SENDER_BROKEN;
	switch (receive()) {
	case NEXT_END:
		return SENDER_DONE;
	case NEXT_MALFORMED:
		return SENDER_MALFORMED;
	case NEXT_PACKET:
		break;
	}
	if (!take_connect(&fd))
		return SENDER_MALFORMED;
	if (fd == -1)
		return say_no_hop(&s.client.problem);
	if (lock && !sender_lock())
		return SENDER_BROKEN;
	end = serve();
	if (s.client.io.fd != -1)
		(void)close(s.client.io.fd);
	return end;
}
