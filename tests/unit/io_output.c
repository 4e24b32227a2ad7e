/* session/io.h, output: held back, sent to slow readers, and to nobody. */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/connection.h"

static size_t
waiting_output(char *buf, size_t cap)
{
	struct pollfd p = { peer[1], POLLIN, 0 };
	ssize_t n = poll(&p, 1, 0) == 1 ? read(peer[1], buf, cap) : 0;

	return n > 0 ? (size_t)n : 0;
}

static void
test_output(enum way way)
{
	const char *name = ways[way];
	static char buf[2 * LIMIT_WRITE];
	char *line;
	enum io_result result;
	int flags;

	open_io(way);
	flags = fcntl(io.out, F_GETFL);
	io_put(&io, "one ", 4);
	io_put(&io, "two", 3);
	TEST(waiting_output(buf, sizeof buf) == 0, "%s: output is held back", name);
	say("A\r\nB\r\n", 6);
	TEST(io_getline(&io, 0, &line, &result) == LINE_OK &&
	     waiting_output(buf, sizeof buf) == 7 && memcmp(buf, "one two", 7) == 0,
	     "%s: and leaves together before we wait", name);
	io_put(&io, "x", 1);
	TEST(io_getline(&io, 0, &line, &result) == LINE_OK &&
	     waiting_output(buf, sizeof buf) == 0, "%s: not while input is at hand", name);
	memset(buf, 'y', sizeof buf);
	io_put(&io, buf, LIMIT_WRITE);
	TEST(waiting_output(buf, sizeof buf) == LIMIT_WRITE, "%s: a full buffer is sent", name);
	io_flush(&io);
	TEST(waiting_output(buf, sizeof buf) == 1, "%s: io_flush sends the rest", name);
	TEST(fcntl(io.out, F_GETFL) == flags, "%s: the descriptor keeps its flags", name);
	close_io();
}

/* A reader that takes its time gets all, in order. */
static void
test_slow_reader(enum way way)
{
	const size_t total = 600 * 1000;
	pid_t child;
	int status;
	char s[8];

	open_io(way);
	child = fork();
	MUST(child != -1);
	if (child == 0) {
		static char buf[9000];
		size_t got = 0;
		ssize_t n;

		(void)close(io.out);
		(void)close(io.in);
		(void)close(peer[0]);
		while ((n = read(peer[1], buf, sizeof buf)) > 0) {
			for (ssize_t i = 0; i < n; i++, got++)
				if (buf[i] != (char)('0' + got / 7 % 10))
					_exit(1);
			usleep(2000);
		}
		_exit(got == total ? 0 : 2);
	}
	for (size_t i = 0; i < total; i += 7) {
		memset(s, (int)('0' + i / 7 % 10), 7);
		io_put(&io, s, total - i < 7 ? total - i : 7);
	}
	io_flush(&io);
	TEST(!io.gone, "%s: a slow reader is waited for", ways[way]);
	close_io();
	MUST(waitpid(child, &status, 0) == child);
	TEST(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: and gets it all",
	     ways[way]);
}

static void
test_gone(enum way way)
{
	const char *name = ways[way];

	(void)signal(SIGPIPE, SIG_IGN); /* as smtpd does */
	open_io(way);
	MUST(close(peer[1]) == 0 && close(peer[0]) == 0);
	io_put(&io, "x", 1);
	io_flush(&io);
	TEST(io.gone, "%s: a client that left is gone", name);
	TEST(io_fill(&io, 5) == IO_EOF, "%s: and nothing is waited for", name);
	io_put(&io, "y", 1);
	io_flush(&io);
	io_linger(&io);
	TEST(io.held == 0, "%s: what is put later goes nowhere", name);
	MUST(close(io.in) == 0 && close(io.out) == 0);
}

/* The last reply arrives although the client has sent what nobody reads. */
static void
test_linger(void)
{
	static char buf[64];
	int64_t start;
	char *flood = repeat('x', 100000);

	open_io(SOCKET);
	say(flood, 100000);
	io_put(&io, "421 bye\r\n", 9);
	start = clock_ms();
	io_linger(&io);
	TEST(clock_ms() - start >= 1000 * LIMIT_LINGER - 100 &&
	     clock_ms() - start < 1000 * LIMIT_LINGER + 3000, "io_linger has its time");
	TEST(read(peer[1], buf, sizeof buf) == 9 && read(peer[1], buf, sizeof buf) == 0,
	     "the reply arrives, then the end");
	close_io();
	open_io(SOCKET);
	say(flood, 100000);
	end_input();
	start = clock_ms();
	io_linger(&io);
	TEST(clock_ms() - start < 1000, "a client that has ended is not lingered for");
	close_io();
	free(flood);
}

static void
test_wipe(void)
{
	open_io(SOCKET);
	say("secret", 6);
	MUST(io_fill(&io, 1) == IO_OK);
	io_put(&io, "answer", 6);
	io_wipe(&io);
	TEST(memmem(&io, sizeof io, "secret", 6) == NULL &&
	     memmem(&io, sizeof io, "answer", 6) == NULL, "io_wipe leaves nothing");
	close_io();
}

int
main(void)
{
	for (enum way way = SOCKET; way <= PIPE; way++) {
		test_output(way);
		test_slow_reader(way);
		test_gone(way);
	}
	test_linger();
	test_wipe();
	return 0;
}
