/*
 * See io.h. Sockets are written with MSG_DONTWAIT; a pipe is written PIPE_BUF
 * octets at a time after ppoll said it has room, which never blocks (pipe(7)).
 * So inherited descriptors keep their flags and no write outlasts its deadline.
 */
#include "session/io.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

/* RFC 5321 4.5.3.2 gives the client minutes; a reply that waits longer is lost. */
#define WRITE_SECONDS 300

void
io_init(struct io *io, int in, int out, int64_t cap)
{
	io->in = in;
	io->out = out;
	io->cap = cap;
	io->at = io->end = io->held = io->high = 0;
	io->gone = false;
}

/* Waits until fd is ready; deadline and now in clock_ms(), which is a system call. */
static enum io_result
wait_for(const struct io *io, int fd, short events, int64_t deadline, int64_t now)
{
	struct pollfd p = { fd, events, 0 };

	for (;; now = clock_ms()) {
		int64_t until = deadline < io->cap ? deadline : io->cap;
		int64_t left = until - now;
		struct timespec ts;
		int n;

		if (left < 0)
			left = 0;
		ts.tv_sec = left / 1000;
		ts.tv_nsec = (left % 1000) * 1000000;
		n = ppoll(&p, 1, &ts, NULL);
		if (n > 0)
			return IO_OK;
		if (n == 0)
			return until == io->cap ? IO_CAP : IO_TIMEOUT;
		if (errno != EINTR)
			return IO_EOF;
	}
}

static enum io_result
wait_for_room(const struct io *io)
{
	int64_t now = clock_ms();

	return wait_for(io, io->out, POLLOUT, now + WRITE_SECONDS * 1000, now);
}

/* One write that does not block: octets sent, 0 for "no room now", -1 for gone. */
static ssize_t
write_some(struct io *io, const char *s, size_t len)
{
	ssize_t n = send(io->out, s, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n == -1 && errno == ENOTSOCK) {
		if (wait_for_room(io) != IO_OK)
			return -1;
		n = write(io->out, s, len < PIPE_BUF ? len : PIPE_BUF);
	}
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return n;
}

void
io_flush(struct io *io)
{
	int64_t deadline = 0; /* from when it first had to wait */
	size_t sent = 0;

	while (sent < io->held && !io->gone) {
		ssize_t n = write_some(io, io->output + sent, io->held - sent);
		int64_t now;

		if (n > 0) {
			sent += (size_t)n;
			continue;
		}
		now = clock_ms();
		if (deadline == 0)
			deadline = now + WRITE_SECONDS * 1000;
		if (n == -1 || wait_for(io, io->out, POLLOUT, deadline, now) != IO_OK)
			io->gone = true;
	}
	io->held = 0;
}

void
io_put(struct io *io, const char *s, size_t len)
{
	while (len > 0) {
		size_t n = sizeof io->output - io->held;

		if (n == 0) {
			io_flush(io);
			continue;
		}
		if (n > len)
			n = len;
		memcpy(io->output + io->held, s, n);
		io->held += n;
		s += n;
		len -= n;
	}
}

/* At most max octets. *deadline, where it is 0, is set: seconds from when our replies are out. */
static enum io_result
fill(struct io *io, uint64_t seconds, int64_t *deadline, size_t max)
{
	enum io_result r;
	int64_t now;
	size_t room;
	ssize_t n;

	io_flush(io);
	if (io->gone)
		return IO_EOF;
	if (io->at == io->end)
		io->at = io->end = 0;
	room = sizeof io->input - io->end;
	do {
		now = clock_ms();
		if (*deadline == 0)
			*deadline = now + (int64_t)seconds * 1000;
		r = wait_for(io, io->in, POLLIN, *deadline, now);
		if (r != IO_OK)
			return r;
		n = read(io->in, io->input + io->end, max < room ? max : room);
	} while (n == -1 && (errno == EINTR || errno == EAGAIN));
	if (n <= 0)
		return IO_EOF;
	io->end += (size_t)n;
	if (io->end > io->high)
		io->high = io->end;
	return IO_OK;
}

enum io_result
io_fill(struct io *io, uint64_t seconds)
{
	return io_fill_some(io, seconds, SIZE_MAX);
}

enum io_result
io_fill_some(struct io *io, uint64_t seconds, size_t max)
{
	int64_t deadline = 0;

	return fill(io, seconds, &deadline, max);
}

/* Drops a line that is too long, up to its LF. */
static enum io_line
drop_line(struct io *io, uint64_t seconds, int64_t *deadline, enum io_result *result)
{
	size_t dropped = 0;

	for (;;) {
		char *lf = memchr(io->input + io->at, '\n', io->end - io->at);

		if (lf != NULL) {
			io->at = (size_t)(lf + 1 - io->input);
			return LINE_LONG;
		}
		dropped += io->end - io->at;
		io->at = io->end;
		if (dropped > LIMIT_COMMAND_DRAIN)
			return LINE_ENDLESS;
		*result = fill(io, seconds, deadline, SIZE_MAX);
		if (*result != IO_OK)
			return LINE_NONE;
	}
}

static enum io_line
take_line(struct io *io, char *lf, char **line)
{
	char *start = io->input + io->at;
	size_t len = (size_t)(lf - start);

	io->at += len + 1;
	if (len + 1 > LIMIT_COMMAND)
		return LINE_LONG;
	if (len == 0 || lf[-1] != '\r' || memchr(start, '\r', len - 1) != NULL)
		return LINE_BARE;
	lf[-1] = '\0';
	*line = start;
	return memchr(start, '\0', len - 1) != NULL ? LINE_NUL : LINE_OK;
}

enum io_line
io_getline(struct io *io, uint64_t seconds, char **line, enum io_result *result)
{
	int64_t deadline = 0;
	size_t searched = 0;

	*result = IO_OK;
	for (;;) {
		size_t have = io->end - io->at;
		char *lf = memchr(io->input + io->at + searched, '\n', have - searched);

		if (lf != NULL)
			return take_line(io, lf, line);
		if (have >= LIMIT_COMMAND)
			return drop_line(io, seconds, &deadline, result);
		searched = have;
		if (have > 0 && io->end > sizeof io->input / 2) {
			memmove(io->input, io->input + io->at, have);
			io->at = 0;
			io->end = have;
		}
		*result = fill(io, seconds, &deadline, SIZE_MAX);
		if (*result != IO_OK)
			return LINE_NONE;
	}
}

bool
io_is_waiting(struct io *io)
{
	struct pollfd p = { io->in, POLLIN, 0 };
	struct timespec now = { 0, 0 };

	return io->at < io->end || ppoll(&p, 1, &now, NULL) > 0;
}

void
io_linger(struct io *io)
{
	int64_t deadline = 0;
	uint64_t total = 0;

	io_flush(io);
	if (io->gone || shutdown(io->out, SHUT_WR) == -1)
		return; /* gone, or a pipe, where closing loses nothing */
	io->at = io->end;
	while (total < LIMIT_DRAIN && fill(io, LIMIT_LINGER, &deadline, SIZE_MAX) == IO_OK) {
		total += io->end - io->at;
		io->at = io->end;
	}
}

void
io_forget(struct io *io)
{
	explicit_bzero(io->input, io->at);
}

void
io_wipe(struct io *io)
{
	explicit_bzero(io->input, io->high);
	explicit_bzero(io->output, sizeof io->output);
}
