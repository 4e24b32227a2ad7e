/*
 * See runner_run.h: what is said to a sender (base/sending.h), from its start to the end. What
 * it says is heard in runner_hear.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
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

void
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
	packet_add(&p, r->way.next.path[0] != '\0' ? r->way.next.path : h->address);
	packet_addu(&p, h->port);
	packet_add(&p, r->way.next.kind == NEXT_LMTP ? "lmtp" : "smtp");
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

bool
slot_start(struct run *r, struct slot *s, unsigned hop, bool strict, bool plain)
{
	int conn = -1;
	bool good;

	*s = (struct slot){ .state = SLOT_CONNECTING, .hop = hop, .strict = strict,
	                    .plain = plain, .boundary = -1, .tls = -1, .tls_end = -1 };
	if (r->way.next.path[0] != '\0' && (conn = connect_path(r->way.next.path)) == -1) {
		slot_no_hop(r, s, '4', "4.4.1", strerror(errno));
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
		text_addc(&t, s->strict ? 'T' : 't');
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

void
slot_send(struct run *r, struct slot *s, struct work *w)
{
	const struct route_hop *h = &r->route.hop[s->hop];
	static struct packet p;
	bool good;

	s->work = w;
	(void)text_copy(w->host, sizeof w->host, h->host);
	(void)text_copy(w->address, sizeof w->address,
	                r->way.next.path[0] != '\0' ? r->way.next.path : h->address);
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
		slot_lost(r, s);
}
