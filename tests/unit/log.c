/* base/log.h: nothing that is logged can forge a line or a field. */
#include "base/log.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include "tests/unit/test.h"

static const struct {
	const char *value, *want; /* want: what stands behind "key=" */
} values[] = {
	{ "plain", "plain" },
	{ "a@b.example", "a@b.example" },
	{ "", "\"\"" },
	{ "two words", "\"two words\"" },
	{ "a=b", "\"a=b\"" },
	{ "say \"hi\"", "\"say \\\"hi\\\"\"" },
	{ "back\\slash", "\"back\\\\slash\"" },
	{ "x\nevent=delivered", "\"x\\x0aevent=delivered\"" },
	{ "x\" event=\"y", "\"x\\\" event=\\\"y\"" },
	{ "\r\t\x1b[31m\x7f", "\"\\x0d\\x09\\x1b[31m\\x7f\"" },
	{ "j\xc3\xbcrgen", "\"j\\xc3\\xbcrgen\"" },
	{ "\x80\xff", "\"\\x80\\xff\"" },
};

static void
test_values(void)
{
	for (size_t i = 0; i < LENGTH(values); i++) {
		char want[128];
		struct log_line l;

		snprintf(want, sizeof want, "event=e key=%s", values[i].want);
		log_start(&l, "e");
		log_field(&l, "key", values[i].value);
		TEST_STR(l.buf, want, "log_field %s", show(values[i].value));
	}
}

static void
test_long(void)
{
	struct log_line l;
	char *s = repeat('a', LIMIT_LOG_VALUE);
	char *worse = repeat('\n', 10 * LIMIT_LOG_VALUE);
	size_t len;

	log_start(&l, "e");
	log_field(&l, "k", s);
	TEST(strlen(l.buf) == strlen("event=e k=") + LIMIT_LOG_VALUE, "a value of the limit");
	free(s);
	s = repeat('a', LIMIT_LOG_VALUE + 1);
	log_start(&l, "e");
	log_field(&l, "k", s);
	len = strlen(l.buf);
	TEST(len == strlen("event=e k=\"...\"") + LIMIT_LOG_VALUE &&
	     strcmp(l.buf + len - 5, "a...\"") == 0, "a longer one is cut and says so");
	log_start(&l, "e");
	log_field(&l, "k", worse);
	len = strlen(l.buf);
	TEST(strcmp(l.buf + len - 8, "\\x0a...\"") == 0, "a long one of escapes is cut whole");
	log_start(&l, "e");
	log_field(&l, "a", s);
	log_field(&l, "a", s);
	log_field(&l, "b", worse);
	log_field(&l, "c", "fits");
	TEST(strstr(l.buf, " b=") == NULL && strcmp(l.buf + strlen(l.buf) - 7, " c=fits") == 0,
	     "a field without room is left out whole, a later one fits");
	for (int i = 0; i < 100; i++)
		log_field(&l, "z", s);
	TEST(strlen(l.buf) < LIMIT_LOG_LINE && text_ok(&l.t), "a full line stays a good one");
	free(s);
	free(worse);
}

static void
test_send(void)
{
	struct log_line l;

	catch_log();
	log_open("unit");
	log_context("id 1", "192.0.2.1");
	log_start(&l, "hello");
	log_number(&l, "n", UINT64_MAX);
	log_send(&l, LOG_LEVEL_INFO);
	log_context("", "");
	log_error("open x", ENOENT);
	log_error("no errno", 0);
	TEST_STR(caught_log(),
	         "event=hello session=\"id 1\" client=192.0.2.1 n=18446744073709551615\n"
	         "event=error what=\"open x\" error=\"No such file or directory\"\n"
	         "event=error what=\"no errno\"\n", "lines on stderr");
}

static void
send_one(void)
{
	struct log_line l;

	log_open("unit");
	log_start(&l, "x");
	log_send(&l, LOG_LEVEL_WARNING);
}

/* The prefix belongs to the journal's own stream, and to no other. */
static void
test_journal(void)
{
	char own[64];
	struct stat st;

	catch_log();
	MUST(fstat(2, &st) == 0);
	snprintf(own, sizeof own, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	MUST(setenv("JOURNAL_STREAM", own, 1) == 0);
	send_one();
	TEST_STR(caught_log(), "<4>event=x\n", "JOURNAL_STREAM names fd 2: a prefix");
	catch_log();
	snprintf(own, sizeof own, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)0);
	MUST(setenv("JOURNAL_STREAM", own, 1) == 0);
	send_one();
	TEST_STR(caught_log(), "event=x\n", "JOURNAL_STREAM names another file: none");
	catch_log();
	MUST(setenv("JOURNAL_STREAM", "garbage", 1) == 0);
	send_one();
	TEST_STR(caught_log(), "event=x\n", "JOURNAL_STREAM is garbage: none");
	MUST(unsetenv("JOURNAL_STREAM") == 0);
}

/* Under xinetd fds 0 to 2 are the client: fd 2 must become something else. */
static bool
reaches_client(bool close_stderr)
{
	int pair[2];
	char c;
	pid_t child;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	child = fork();
	MUST(child != -1);
	if (child == 0) {
		if (dup2(pair[1], 0) == -1 || dup2(pair[1], 1) == -1 || dup2(pair[1], 2) == -1)
			_exit(3);
		if (close_stderr)
			(void)close(2);
		(void)close(pair[0]);
		(void)close(pair[1]);
		log_open("postern-unit");
		log_error("must not reach the client", 0);
		(void)!write(2, "x", 1);
		_exit(0);
	}
	MUST(close(pair[1]) == 0 && waitpid(child, NULL, 0) == child);
	bool got = read(pair[0], &c, 1) != 0;

	MUST(close(pair[0]) == 0);
	return got;
}

static void
test_die(void)
{
	int status;

	catch_log();
	pid_t child = fork();

	MUST(child != -1);
	if (child == 0)
		die_temp("write x", ENOSPC);
	MUST(waitpid(child, &status, 0) == child);
	TEST_STR(caught_log(), "event=error what=\"write x\" error=\"No space left on device\"\n",
	         "die_temp logs");
	TEST(WIFEXITED(status) && WEXITSTATUS(status) == 111, "die_temp exits 111");
}

int
main(void)
{
	test_values();
	test_long();
	test_send();
	test_journal();
	test_die();
	TEST(!reaches_client(false), "fd 2 is the client's socket: it gets /dev/null");
	TEST(!reaches_client(true), "fd 2 is closed: it gets /dev/null");
	return 0;
}
