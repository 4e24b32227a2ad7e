/*
 * See client_io.h. The descriptor may be blocking: each call says MSG_DONTWAIT, so that
 * nothing has to be set on a description that TLS or the runner shares.
 */
#include "relay/client_io.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

void
client_io_init(struct client_io *io, int fd, int watch)
{
	io->fd = fd;
	io->watch = watch;
	io->trouble = CLIENT_FINE;
	io->patience = io->deadline = 0;
	io->at = io->end = io->held = 0;
}

void
client_deadline(struct client_io *io, uint64_t seconds)
{
	io->patience = (int64_t)seconds * 1000;
	io->deadline = 0;
}

static bool
fail(struct client_io *io, enum client_trouble trouble)
{
	if (io->trouble == CLIENT_FINE)
		io->trouble = trouble;
	return false;
}

/* Waits until one of events can be done. */
static bool
wait_for(struct client_io *io, short events, short *got)
{
	struct pollfd p[2] = { { io->fd, events, 0 }, { io->watch, 0, 0 } };

	for (;;) {
		int64_t now = clock_ms();
		int64_t left;
		struct timespec t;
		int n;

		if (io->deadline == 0)
			io->deadline = now + io->patience;
		left = io->deadline - now;
		if (left <= 0)
			return fail(io, CLIENT_LATE);
		t.tv_sec = left / 1000;
		t.tv_nsec = left % 1000 * 1000000;
		n = ppoll(p, 2, &t, NULL);
		if (n == -1 && errno != EINTR)
			return fail(io, CLIENT_CLOSED);
		if (n > 0 && p[1].revents != 0)
			return fail(io, CLIENT_ABANDONED);
		*got = p[0].revents;
		if (n > 0)
			return true;
	}
}

/* Reads what is there; false when the peer is gone. */
static bool
take_input(struct client_io *io)
{
	static const int on = 1;
	ssize_t n;

	if (io->at > 0) {
		memmove(io->input, io->input + io->at, io->end - io->at);
		io->end -= io->at;
		io->at = 0;
	}
	n = recv(io->fd, io->input + io->end, sizeof io->input - io->end, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return false;
	/*
	 * A peer that writes each reply alone may wait for this ACK before the next one (RFC
	 * 896), and our kernel would hold it back for 40 ms. Not TCP: an error, and no harm.
	 */
	(void)setsockopt(io->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
	io->end += (size_t)n;
	return true;
}

static bool
has_room(const struct client_io *io)
{
	return io->end - io->at < sizeof io->input;
}

bool
client_flush(struct client_io *io)
{
	size_t sent = 0;

	while (io->trouble == CLIENT_FINE && sent < io->held) {
		ssize_t n = send(io->fd, io->output + sent, io->held - sent,
		                 MSG_DONTWAIT | MSG_NOSIGNAL);
		short got;

		if (n >= 0) {
			sent += (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN) {
			/* A peer that has closed may have said why: that can still be read. */
			(void)take_input(io);
			(void)fail(io, CLIENT_CLOSED);
			break;
		}
		if (!wait_for(io, (short)(has_room(io) ? POLLIN | POLLOUT : POLLOUT), &got))
			break;
		if (got & (POLLIN | POLLHUP | POLLERR) && has_room(io) && !take_input(io))
			(void)fail(io, CLIENT_CLOSED);
	}
	io->held = 0;
	return io->trouble == CLIENT_FINE;
}

void
client_put(struct client_io *io, const char *s, size_t len)
{
	while (len > 0 && io->trouble == CLIENT_FINE) {
		size_t room = sizeof io->output - io->held;
		size_t n = len < room ? len : room;

		memcpy(io->output + io->held, s, n);
		io->held += n;
		s += n;
		len -= n;
		if (io->held == sizeof io->output)
			(void)client_flush(io);
	}
}

void
client_puts(struct client_io *io, const char *s)
{
	client_put(io, s, strlen(s));
}

/* A whole line of what has come, if there is one. */
static bool
cut_line(struct client_io *io, const char **line, size_t *len)
{
	const char *start = io->input + io->at;
	const char *lf = memchr(start, '\n', io->end - io->at);

	if (lf == NULL)
		return false;
	*line = start;
	*len = (size_t)(lf - start);
	io->at += *len + 1;
	if (*len > 0 && start[*len - 1] == '\r')
		--*len;
	return true;
}

bool
client_getline(struct client_io *io, const char **line, size_t *len)
{
	short got;

	for (;;) {
		if (cut_line(io, line, len))
			return *len <= LIMIT_REPLY_LINE || fail(io, CLIENT_BABBLE);
		if (io->end - io->at > LIMIT_REPLY_LINE)
			return fail(io, CLIENT_BABBLE);
		if (io->trouble != CLIENT_FINE || !wait_for(io, POLLIN, &got))
			return false;
		if (!take_input(io))
			return fail(io, CLIENT_CLOSED);
	}
}

bool
client_has_input(struct client_io *io)
{
	if (io->at == io->end && io->trouble == CLIENT_FINE && !take_input(io))
		return fail(io, CLIENT_CLOSED);
	return io->at < io->end;
}

bool
client_is_abandoned(struct client_io *io)
{
	static const struct timespec now = { 0, 0 };
	struct pollfd p = { io->watch, 0, 0 };

	if (ppoll(&p, 1, &now, NULL) <= 0)
		return false;
	(void)fail(io, CLIENT_ABANDONED);
	return true;
}

void
client_io_wipe(struct client_io *io)
{
	explicit_bzero(io->output, sizeof io->output);
	explicit_bzero(io->input, io->at);
}
