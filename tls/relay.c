/*
 * See relay.h. An end is handed on in its direction only: a client that has said
 * close_notify still gets the session's last reply, and a session that has closed is
 * followed by our close_notify and a short wait, so that its reply is not cut off by a
 * reset. A connection that breaks is an end of file for the session, no more.
 */
#include "tls/relay.h"

#include <errno.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/rewind.h"
#include "base/spawn.h"
#include "tls/heap.h"

/* Without a movement for so long a connection is idle. */
#define REST_MS 1000

static void
say_bye(struct relay *r)
{
	/* 1 and 0: it is out; a failure means that nobody listens. */
	int n = SSL_shutdown(r->ssl);

	if (n < 0 && SSL_get_error(r->ssl, n) == SSL_ERROR_WANT_WRITE) {
		r->want_write = true;
		return;
	}
	ERR_clear_error();
	r->said_bye = true;
	r->deadline = clock_ms() + LIMIT_LINGER * 1000;
}

/* What TLS said of a call that moved nothing. True: the connection is as good as before. */
static bool
note_wait(struct relay *r, int result)
{
	switch (SSL_get_error(r->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		r->want_read = true;
		return true;
	case SSL_ERROR_WANT_WRITE:
		r->want_write = true;
		return true;
	case SSL_ERROR_ZERO_RETURN:
		r->in.ended = true;
		return true;
	default:
		/* A broken record, or a reset: nothing can follow either way. */
		ERR_clear_error();
		r->in.ended = r->out.closed = r->said_bye = true;
		return false;
	}
}

/* The four steps return true when octets, or an end, have moved. */

static bool
read_client(struct relay *r)
{
	struct relay_way *w = &r->in;
	bool moved;
	int n;

	if (w->ended || w->len > 0)
		return false;
	w->at = 0;
	/* What came by one read of the connection goes on by one write. */
	do {
		n = SSL_read(r->ssl, w->buf + w->len, RELAY_RECORD);
		w->len += n > 0 ? (size_t)n : 0;
	} while (n > 0 && w->len <= RELAY_BUFFER - RELAY_RECORD && SSL_has_pending(r->ssl));
	moved = w->len > 0;
	if (w->closed)
		w->len = 0;
	return n > 0 || !note_wait(r, n) || w->ended || moved;
}

static bool
write_plain(struct relay *r)
{
	struct relay_way *w = &r->in;
	ssize_t n;

	if (w->len == 0 && w->ended && !w->closed) {
		w->closed = true;
		(void)shutdown(r->plain, SHUT_WR); /* the session may be gone already */
		return true;
	}
	if (w->len == 0)
		return false;
	n = write(r->plain, w->buf + w->at, w->len);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n == -1) {
		w->closed = true; /* it will not read; its reply may be under way still */
		w->len = 0;
		return true;
	}
	w->at += (size_t)n;
	w->len -= (size_t)n;
	return true;
}

static bool
read_plain(struct relay *r)
{
	struct relay_way *w = &r->out;
	ssize_t n;

	if (w->ended || w->len > 0)
		return false;
	n = read(r->plain, w->buf, RELAY_BUFFER);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0)
		w->ended = true; /* ECONNRESET: it left some of the input unread */
	else if (!w->closed)
		w->len = (size_t)n;
	w->at = 0;
	return true;
}

static bool
write_client(struct relay *r)
{
	struct relay_way *w = &r->out;
	int n;

	if (w->closed) {
		w->len = 0;
		return false;
	}
	if (w->len == 0) {
		if (!w->ended || r->said_bye)
			return false;
		say_bye(r);
		return r->said_bye;
	}
	n = SSL_write(r->ssl, w->buf + w->at, (int)w->len);
	if (n > 0) {
		w->at += (size_t)n;
		w->len -= (size_t)n;
		r->deadline = 0;
		return true;
	}
	(void)note_wait(r, n);
	return w->closed;
}

/* All that was to be said is said, and the client has ended or had its time. */
static bool
is_done(const struct relay *r)
{
	return r->out.ended && (r->said_bye || r->out.closed) && r->in.ended;
}

/* Octets wait for the client: it has so long to take some. */
static void
set_deadline(struct relay *r)
{
	if (r->deadline == 0 && !r->said_bye && (r->out.len > 0 || r->out.ended))
		r->deadline = clock_ms() + LIMIT_TLS_STALL * 1000;
	else if (!r->said_bye && r->out.len == 0 && !r->out.ended)
		r->deadline = 0;
}

static bool
is_late(const struct relay *r)
{
	return r->deadline != 0 && clock_ms() >= r->deadline;
}

/* An idle connection costs memory: what the handshake and the last octets took goes back. */
static void
rest(struct relay *r)
{
	r->resting = true;
	(void)madvise(r->in.buf, RELAY_BUFFER, MADV_DONTNEED); /* pages of their own */
	(void)madvise(r->out.buf, RELAY_BUFFER, MADV_DONTNEED);
	heap_rest();
	rewind_rest();
	spawn_trim_stack();
}

/* Milliseconds for poll(). */
static int
time_left(const struct relay *r)
{
	if (r->deadline != 0)
		return (int)(r->deadline - clock_ms());
	return r->resting || r->in.len > 0 ? -1 : REST_MS;
}

/* False: a deadline has passed. */
static bool
wait_for_either(struct relay *r)
{
	struct pollfd p[2] = { { r->conn, 0, 0 }, { r->plain, 0, 0 } };
	int n;

	if (r->want_read || (!r->in.ended && r->in.len == 0))
		p[0].events |= POLLIN;
	if (r->want_write)
		p[0].events |= POLLOUT;
	if (r->in.len > 0)
		p[1].events |= POLLOUT;
	if (!r->out.ended && r->out.len == 0)
		p[1].events |= POLLIN;
	/* An end that is known already would wake us for ever. */
	if (p[0].events == 0)
		p[0].fd = -1;
	if (p[1].events == 0)
		p[1].fd = -1;
	if (is_late(r))
		return false;
	n = poll(p, 2, time_left(r));
	if (n == 0 && r->deadline == 0)
		rest(r);
	return n >= 0 ? n > 0 || r->deadline == 0 : errno == EINTR;
}

void
relay_run(struct relay *r)
{
	/* Somebody who sends without end is not waited for longer than one who is silent. */
	while (!is_done(r) && !is_late(r)) {
		bool moved;

		r->want_read = r->want_write = false;
		moved = read_client(r);
		moved |= write_plain(r);
		moved |= read_plain(r);
		moved |= write_client(r);
		if (moved) {
			r->resting = false;
			continue;
		}
		set_deadline(r);
		if (!wait_for_either(r))
			break;
	}
	/* Others may hold copies of the descriptor: closing ours would end nothing. */
	(void)shutdown(r->conn, SHUT_RDWR);
}
