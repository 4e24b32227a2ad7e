/* session/io.h: lines in all cuts, long lines, deadlines, held and slow output. */
#include "session/io.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "tests/unit/test.h"

static struct io io;
static int peer[2]; /* the client's ends: peer[0] writes to us, peer[1] reads from us */

enum way { SOCKET, PIPE };

static void
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

static void
close_io(void)
{
	if (peer[0] != -1)
		MUST(close(peer[0]) == 0);
	MUST(close(peer[1]) == 0 && close(io.in) == 0 && close(io.out) == 0);
}

static void
end_input(void)
{
	(void)shutdown(peer[0], SHUT_WR); /* a pipe ends by the close */
	MUST(close(peer[0]) == 0);
	peer[0] = -1;
}

static void
say(const char *s, size_t len)
{
	MUST(write(peer[0], s, len) == (ssize_t)len);
}

/* What io_getline makes of the input: "line|", "(bare)", "(nul)", "(long)". */
static void
add_result(char *got, enum io_line kind, const char *line)
{
	static const char *const kinds[] = { "", "(bare)", "(long)", "(endless)", "(nul)" };

	if (kind == LINE_OK)
		strcat(strcat(got, line), "|");
	else
		strcat(got, kinds[kind]);
}

static const struct {
	const char *in;
	size_t len;
	const char *want;
} lines[] = {
	{ "NOOP\r\n", 6, "NOOP|" },
	{ "A\r\nB\r\n", 6, "A|B|" },
	{ "\r\n\r\n", 4, "||" },
	{ " A \r\n", 5, " A |" },
	{ "A", 1, "" },
	{ "A\r", 2, "" },
	{ "A\nB\r\n", 5, "(bare)B|" },
	{ "\n\nA\r\n", 5, "(bare)(bare)A|" },
	{ "A\rB\r\nC\r\n", 8, "(bare)C|" },
	{ "A\r\r\nC\r\n", 7, "(bare)C|" },
	{ "\r\r\n", 3, "(bare)" },
	{ "A\0B\r\nC\r\n", 8, "(nul)C|" },
	{ "\0\r\n", 3, "(nul)" },
	{ "\xff\xfe\r\n", 4, "\xff\xfe|" },
};

static void
test_lines(enum way way)
{
	for (size_t i = 0; i < LENGTH(lines); i++) {
		bool same = true;

		for (unsigned cuts = 0; cuts < 1U << (lines[i].len - 1); cuts++) {
			char got[64] = "";
			size_t at = 0;

			open_io(way);
			while (at < lines[i].len) {
				enum io_result result;
				enum io_line kind;
				char *line = NULL;
				size_t n = 1;

				while (at + n < lines[i].len && !(cuts >> (at + n - 1) & 1))
					n++;
				say(lines[i].in + at, n);
				at += n;
				while ((kind = io_getline(&io, 0, &line, &result)) != LINE_NONE)
					add_result(got, kind, line);
				same &= result == IO_TIMEOUT;
			}
			same &= strcmp(got, lines[i].want) == 0;
			close_io();
		}
		TEST(same, "%s: %s in all cuts is %s", way == SOCKET ? "socket" : "pipe",
		     show_n(lines[i].in, lines[i].len), show(lines[i].want));
	}
}

/* A line of len octets with its CRLF, then NOOP. */
static void
test_long_lines(void)
{
	static const struct {
		size_t len;
		const char *want;
	} rows[] = {
		{ LIMIT_COMMAND, "ok NOOP|" },
		{ LIMIT_COMMAND + 1, "(long)NOOP|" },
		{ 3 * LIMIT_COMMAND, "(long)NOOP|" },
		{ LIMIT_COMMAND_DRAIN, "(long)NOOP|" },
	};
	enum io_result result;
	char *line;

	for (size_t i = 0; i < LENGTH(rows); i++) {
		char got[64] = "";
		char *s = repeat('x', rows[i].len);
		enum io_line kind;

		open_io(SOCKET);
		memcpy(s + rows[i].len - 2, "\r\n", 2);
		say(s, rows[i].len);
		say("NOOP\r\n", 6);
		kind = io_getline(&io, 0, &line, &result);
		if (kind == LINE_OK && strlen(line) == rows[i].len - 2)
			strcpy(got, "ok ");
		else
			add_result(got, kind, "");
		kind = io_getline(&io, 0, &line, &result);
		add_result(got, kind, line);
		TEST_STR(got, rows[i].want, "a line of %zu octets", rows[i].len);
		close_io();
		free(s);
	}
	open_io(SOCKET);
	line = repeat('x', LIMIT_COMMAND_DRAIN + 2);
	say(line, LIMIT_COMMAND_DRAIN + 2);
	free(line);
	TEST(io_getline(&io, 0, &line, &result) == LINE_ENDLESS, "a line without an end");
	close_io();
}

/* Lines that reach over the end of the buffer again and again: it never runs empty. */
static void
test_wrap(void)
{
	char text[600] = "", want[600], *line;
	unsigned wrong = 0;
	enum io_result result;
	size_t n = 0, held = 0;

	open_io(SOCKET);
	for (unsigned i = 0; i < 2000; i++) {
		say(text + held, n - held);
		strcpy(want, text);
		n = (size_t)sprintf(text, "%0*u\r\n", 1 + (int)(i * 37 % 500), i);
		held = n / 2;
		say(text, held);
		if (i == 0)
			continue;
		want[strlen(want) - 2] = '\0';
		wrong += io_getline(&io, 0, &line, &result) != LINE_OK || strcmp(line, want) != 0;
	}
	TEST(wrong == 0, "two thousand lines, always half a line ahead");
	close_io();
}

static void
test_ends(enum way way)
{
	const char *name = way == SOCKET ? "socket" : "pipe";
	enum io_result result;
	char *line;
	int64_t start;

	open_io(way);
	say("NOO", 3);
	end_input();
	TEST(io_getline(&io, 5, &line, &result) == LINE_NONE && result == IO_EOF,
	     "%s: the end in a line is the end", name);
	close_io();
	open_io(way);
	start = clock_ms();
	TEST(io_getline(&io, 1, &line, &result) == LINE_NONE && result == IO_TIMEOUT &&
	     clock_ms() - start >= 1000 && clock_ms() - start < 3000, "%s: one second is one",
	     name);
	io.cap = clock_ms() + 200;
	start = clock_ms();
	TEST(io_getline(&io, 5, &line, &result) == LINE_NONE && result == IO_CAP &&
	     clock_ms() - start < 3000, "%s: the session's cap comes before", name);
	say("A\r\n", 3);
	TEST(io_getline(&io, 5, &line, &result) == LINE_OK, "%s: what is there is read", name);
	close_io();
}

/* A client that dribbles does not extend the deadline of a line. */
static void
test_dribble(void)
{
	enum io_result result;
	char *line;
	int64_t start = clock_ms();
	pid_t child;

	open_io(SOCKET);
	child = fork();
	MUST(child != -1);
	if (child == 0) {
		for (int i = 0; i < 40 && write(peer[0], "x", 1) == 1; i++)
			usleep(100 * 1000);
		_exit(0);
	}
	TEST(io_getline(&io, 1, &line, &result) == LINE_NONE && result == IO_TIMEOUT &&
	     clock_ms() - start < 3000, "an octet now and then does not extend the deadline");
	MUST(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
	close_io();
}

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
	const char *name = way == SOCKET ? "socket" : "pipe";
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
	TEST(!io.gone, "%s: a slow reader is waited for", way == SOCKET ? "socket" : "pipe");
	close_io();
	MUST(waitpid(child, &status, 0) == child);
	TEST(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: and gets it all",
	     way == SOCKET ? "socket" : "pipe");
}

static void
test_gone(enum way way)
{
	const char *name = way == SOCKET ? "socket" : "pipe";

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

static void
test_waiting(enum way way)
{
	const char *name = way == SOCKET ? "socket" : "pipe";
	enum io_result result;
	char *line;

	open_io(way);
	TEST(!io_is_waiting(&io), "%s: nothing is waiting", name);
	say("A\r\n", 3);
	TEST(io_is_waiting(&io), "%s: input on its way is waiting", name);
	TEST(io_getline(&io, 0, &line, &result) == LINE_OK && !io_is_waiting(&io),
	     "%s: read, it is no more", name);
	say("A\r\nB", 4);
	TEST(io_getline(&io, 0, &line, &result) == LINE_OK && io_is_waiting(&io),
	     "%s: half a line in the buffer is waiting", name);
	close_io();
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
		test_lines(way);
		test_ends(way);
		test_output(way);
		test_slow_reader(way);
		test_gone(way);
		test_waiting(way);
	}
	test_long_lines();
	test_wrap();
	test_dribble();
	test_linger();
	test_wipe();
	return 0;
}
