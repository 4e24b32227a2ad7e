/* A session's connection and the client's ends of it, for the tests of session/io.h. */
#ifndef TESTS_UNIT_CONNECTION_H
#define TESTS_UNIT_CONNECTION_H

#include <sys/socket.h>

#include "base/clock.h"
#include "session/io.h"
#include "tests/unit/test.h"

static struct io io;
static int peer[2]; /* the client's ends: peer[0] writes to us, peer[1] reads from us */

enum way { SOCKET, PIPE };
static const char *const ways[] = { "socket", "pipe" };

static inline void
open_io(enum way way)
{
	int in[2], out[2];

	if (way == SOCKET) {
		MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) == 0);
		peer[0] = in[1];
		peer[1] = dup(in[1]);
		out[1] = dup(in[0]);
		MUST(peer[1] != -1 && out[1] != -1);
	} else {
		MUST(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
		peer[0] = in[1];
		peer[1] = out[0];
	}
	io_init(&io, in[0], out[1], clock_ms() + 600 * 1000);
}

static inline void
close_io(void)
{
	if (peer[0] != -1)
		MUST(close(peer[0]) == 0);
	MUST(close(peer[1]) == 0 && close(io.in) == 0 && close(io.out) == 0);
}

static inline void
end_input(void)
{
	(void)shutdown(peer[0], SHUT_WR); /* a pipe ends by the close */
	MUST(close(peer[0]) == 0);
	peer[0] = -1;
}

static inline void
say(const char *s, size_t len)
{
	MUST(write(peer[0], s, len) == (ssize_t)len);
}

#endif
