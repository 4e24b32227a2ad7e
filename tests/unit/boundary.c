/*
 * A hostile session: what a session could send which has been taken over: order,
 * form, descriptors, floods. Each offence ends it with one log line, and no file is
 * left (hostile.h looks).
 */
#include "tests/unit/hostile.h"

static const struct {
	const char *packet;
	size_t len;
	unsigned when; /* bit of each state where a session may send it */
	char answer;   /* 0: none */
} verbs[] = {
	{ P(BEGIN), 1 << FRESH | 1 << COMMITTED, ANSWER_YES },
	{ P(RECIPIENT), 1 << BEGUN | 1 << GIVEN, ANSWER_YES },
	{ P("d"), 1 << GIVEN, ANSWER_YES },
	{ P("c"), 1 << OPEN, ANSWER_OUTCOMES },
	{ P("a"), 1 << BEGUN | 1 << GIVEN | 1 << OPEN, 0 },
	{ P("valice\0here.test\0"), 31, ANSWER_MORE },
	{ P("xalice\0here.test\0"), 31, ANSWER_MORE },
	{ P("lt\0"), 31, 0 },
	{ P("APLAIN\0\0"), 1 << FRESH | 1 << COMMITTED, ANSWER_AUTH_CLEAR },
	/* This keeper may not have TLS, and no exchange is ever under way. */
	{ P("t"), 0, 0 },
	{ P("T"), 0, 0 },
	{ P("R\0"), 0, 0 },
	{ P("C"), 0, 0 },
	/* Nobody has logged in. */
	{ P("f-\0here.test\0"), 0, 0 },
	{ P("Ohere.test\0"), 0, 0 },
	{ P("G"), 0, 0 },
	{ P("z"), 0, 0 },
};

static void
test_order(void)
{
	char name[80];

	for (enum state s = FRESH; s < N_STATES; s++)
		for (size_t v = 0; v < LENGTH(verbs); v++) {
			snprintf(name, sizeof name, "order: '%c' %s", verbs[v].packet[0],
			         state_names[s]);
			if (verbs[v].packet[0] == 'c' && s == OPEN)
				continue; /* what reach() does */
			reach(s);
			MUST(send_with(verbs[v].packet, verbs[v].len, -1, 0));
			if (!(verbs[v].when & 1U << s)) {
				refused(s == COMMITTED, name);
				continue;
			}
			if (verbs[v].answer != 0 && hear() != verbs[v].answer)
				TEST(false, "%s: answered by '%c'", name, answer_text[0]);
			finish(KEEPER_DONE, verbs[v].packet[0] == 'l', "", s == COMMITTED,
			       name);
		}
}

/* Every verb with a field less, a field more, sixteen and seventeen; unterminated. */
static void
test_counts(void)
{
	static const enum state when[] = { FRESH, BEGUN, GIVEN, OPEN,
		                           BEGUN, FRESH, FRESH, FRESH, FRESH };
	static const int by[] = { -1, 1, LIMIT_PACKET_FIELDS, LIMIT_PACKET_FIELDS + 1 };
	char packet[LIMIT_PACKET];
	char name[80];

	for (size_t v = 0; v < LENGTH(when); v++) {
		size_t len = verbs[v].len;

		for (size_t j = 0; j < LENGTH(by); j++) {
			int more = by[j];
			size_t n = len;

			if (more == -1 && len == 1)
				continue;
			memcpy(packet, verbs[v].packet, len);
			for (int i = 0; i < more; i++) {
				packet[n++] = '0';
				packet[n++] = '\0';
			}
			if (more == -1)
				for (n--; n > 1 && packet[n - 1] != '\0';)
					n--;
			snprintf(name, sizeof name, "count: '%c' with %+d fields",
			         packet[0], more);
			reach(when[v]);
			MUST(send_with(packet, n, -1, 0));
			refused(0, name);
		}
		snprintf(name, sizeof name, "form: '%c' without a final NUL", packet[0]);
		memcpy(packet, verbs[v].packet, len);
		packet[len] = 'x';
		reach(when[v]);
		MUST(send_with(packet, len + 1, -1, 0));
		refused(0, name);
	}
}

static void
test_forms(void)
{
	static char giant[2 * LIMIT_PACKET];
	static const size_t lengths[] = { 1000, LIMIT_PACKET - 1, LIMIT_PACKET,
		                          LIMIT_PACKET + 1, sizeof giant };
	memset(giant, 'x', sizeof giant);
	for (size_t i = 0; i < LENGTH(lengths); i++) {
		char name[80];

		memcpy(giant, "balice", 6);
		giant[lengths[i] - 1] = '\0';
		snprintf(name, sizeof name, "form: one field, %zu octets in all",
		         lengths[i]);
		reach(FRESH);
		MUST(send_with(giant, lengths[i], -1, 0));
		refused(0, name);
		giant[lengths[i] - 1] = 'x';
	}
	/* An empty packet reads like the end (unix(7)), so there is nothing to log. */
	reach(OPEN);
	MUST(send_with("", 0, -1, 0));
	finish(KEEPER_DONE, 0, "", 0, "form: empty packet");
}

static void
test_letters(void)
{
	int bad = 0;

	for (int c = 0; c < 256; c++) {
		const char packet = (char)c;
		int status;

		if (c != 0 && strchr("brdcavxl", c) != NULL)
			continue;
		reach(FRESH);
		MUST(send_with(&packet, 1, -1, 0));
		bad += hear() != 0;
		close(sock);
		close(log_fd);
		MUST(waitpid(keeper, &status, 0) == keeper);
		bad += !WIFEXITED(status) || WEXITSTATUS(status) != KEEPER_MALFORMED;
	}
	TEST(bad == 0 && is_clean(), "form: every unknown letter");
}

static void
test_descriptors(void)
{
	static const enum state when[] = { FRESH, BEGUN, GIVEN, OPEN,
		                           OPEN,  FRESH, FRESH, FRESH, FRESH };
	char name[80];

	for (size_t v = 0; v < LENGTH(when); v++)
		for (size_t n = 1; n <= 8; n = n == 3 ? 8 : n + 1) {
			snprintf(name, sizeof name, "'%c' with %zu descriptors",
			         verbs[v].packet[0], n);
			reach(when[v]);
			MUST(send_with(verbs[v].packet, verbs[v].len, log_fd, n));
			refused(0, name);
		}
	reach(FRESH);
	MUST(send_with("", 0, log_fd, 1));
	refused(0, "a descriptor beside an empty packet");
}

/* A commit while someone could still write; and writing when it is too late. */
static void
test_commit(void)
{
	int status, copy;
	pid_t holder;

	reach(OPEN);
	MUST(send_with(P("c"), -1, 0));
	refused(0, "commit with the descriptor kept");

	reach(OPEN);
	copy = dup(body);
	drop_body();
	MUST(copy != -1 && send_with(P("c"), -1, 0));
	refused(0, "commit with a copy of the descriptor kept");
	close(copy);

	reach(OPEN);
	holder = fork();
	MUST(holder != -1);
	if (holder == 0) {
		pause();
		_exit(0);
	}
	drop_body();
	MUST(send_with(P("c"), -1, 0));
	refused(0, "commit with the descriptor in another process");
	MUST(kill(holder, SIGKILL) == 0 && waitpid(holder, &status, 0) == holder);

	/* Nobody has it open, but it lies in the keeper's own queue. */
	reach(OPEN);
	MUST(kill(keeper, SIGSTOP) == 0);
	MUST(send_with(P("c"), -1, 0) && send_with(P("lt\0"), body, 1));
	drop_body();
	MUST(kill(keeper, SIGCONT) == 0);
	refused(0, "commit with the descriptor on its way back");

	reach(COMMITTED);
	MUST(send_with(P("c"), -1, 0));
	refused(1, "a second commit");
}

static void
test_file(void)
{
	char buf[1];

	reach(OPEN);
	TEST(read(body, buf, 1) == -1 && errno == EBADF, "file: cannot be read");
	TEST(fcntl(body, F_GETFL) & O_APPEND, "file: only appends");
	MUST(pwrite(body, "Return-Path: <forged@x>\n\nwhole\n", 31, 0) == 31);
	drop_body();
	TEST(ask(P("c")) == ANSWER_OUTCOMES && answer_len > 2 &&
	             answer_text[answer_len - 2] == ANSWER_YES,
	     "file: pwrite at 0 is an append too");
	/* take_mail() wants the keeper's Return-Path before it. */
	finish(KEEPER_DONE, 0, "delivered", 1, "file: the trace lines stay first");

	reach(OPEN);
	MUST(ftruncate(body, 2 * SIZE) == 0); /* as if it had written as much */
	drop_body();
	TEST(ask(P("c")) == ANSWER_TOO_BIG, "file: over the limit");
	finish(KEEPER_DONE, 0, "", 0, "file: over the limit is not kept");
}

static void
test_floods(void)
{
	int n = 0;

	reach(FRESH);
	while (n < 1000 && send_with(P("lt\0"), -1, 0))
		n++;
	TEST(hear() == 0, "flood of log events: cut off");
	finish(KEEPER_MALFORMED, ERRORS + MESSAGES + 10 + 1, "boundary", 0,
	       "flood of log events: so many lines");

	reach(BEGUN);
	for (n = 0; n < 1000 && ask(P("rnobody\0here.test\0")) == ANSWER_NO_USER;)
		n++;
	TEST(n == 1000, "flood of unknown recipients: all are answered");
	finish(KEEPER_DONE, ERRORS + RECIPIENTS + 1, "quiet", 0,
	       "flood of unknown recipients: so many lines, then silence");

	reach(FRESH);
	for (n = 0; n < 10 && ask(P(BEGIN)) == ANSWER_YES; n++)
		MUST(send_with(P("a"), -1, 0));
	TEST(n == MESSAGES && answer_text[0] == ANSWER_TOO_MANY, "messages: %d and no more",
	     n);
	finish(KEEPER_DONE, 0, "", 0, "messages: counted when they are aborted");

	reach(BEGUN);
	for (n = 0; n < 200 && ask(P(RECIPIENT)) == ANSWER_YES;)
		n++;
	TEST(n == RECIPIENTS && answer_text[0] == ANSWER_TOO_MANY,
	     "recipients: %d and no more", n);
	finish(KEEPER_DONE, 1, "refused", 0, "recipients: one line for the last");
}

/* Questions without end, and nobody reads the answers. */
static void
test_deaf(void)
{
	struct timeval soon = { 1, 0 };
	int n = 0;

	reach(FRESH);
	MUST(setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon) == 0);
	while (n < 100000 && send_with(P("xalice\0here.test\0"), -1, 0))
		n++;
	finish(KEEPER_DONE, 0, "", 0, "a session that never reads and then goes");
}

static void
test_leaving(void)
{
	for (enum state s = FRESH; s < N_STATES; s++) {
		char name[80];

		reach(s);
		snprintf(name, sizeof name, "leaving %s", state_names[s]);
		finish(KEEPER_DONE, 0, "", s == COMMITTED, name);
	}
}

int
main(void)
{
	make_tree();
	test_order();
	test_counts();
	test_forms();
	test_letters();
	test_descriptors();
	test_commit();
	test_file();
	test_floods();
	test_deaf();
	test_leaving();
	return 0;
}
