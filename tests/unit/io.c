/* session/io.h, input: lines in all cuts, long lines, deadlines. */
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/connection.h"

#define ROOM 64 /* for the results of one input */

/* What io_getline makes of the input: "line|", "(bare)", "(nul)", "(long)". */
static void
add_result(char got[ROOM], enum io_line kind, const char *line)
{
	static const char *const kinds[] = { "", "(bare)", "(long)", "(endless)", "(nul)" };
	size_t len = strlen(got);
	int n = snprintf(got + len, ROOM - len, "%s%s", kind == LINE_OK ? line : kinds[kind],
	                 kind == LINE_OK ? "|" : "");

	MUST(n >= 0 && (size_t)n < ROOM - len);
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
			char got[ROOM] = "";
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
		TEST(same, "%s: %s in all cuts is %s", ways[way],
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
		char got[ROOM] = "";
		char *s = repeat('x', rows[i].len);
		enum io_line kind;

		open_io(SOCKET);
		memcpy(s + rows[i].len - 2, "\r\n", 2);
		say(s, rows[i].len);
		say("NOOP\r\n", 6);
		kind = io_getline(&io, 0, &line, &result);
		if (kind == LINE_OK && strlen(line) == rows[i].len - 2)
			memcpy(got, "ok ", sizeof "ok ");
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
		memcpy(want, text, sizeof want);
		n = (size_t)snprintf(text, sizeof text, "%0*u\r\n", 1 + (int)(i * 37 % 500), i);
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
	const char *name = ways[way];
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

static void
test_waiting(enum way way)
{
	const char *name = ways[way];
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

int
main(void)
{
	for (enum way way = SOCKET; way <= PIPE; way++) {
		test_lines(way);
		test_ends(way);
		test_waiting(way);
	}
	test_long_lines();
	test_wrap();
	test_dribble();
	return 0;
}
