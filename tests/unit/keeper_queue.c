/* keeper/queue.h: what lies in the spool after each step, and after a failed one. */
#include "keeper/queue.h"

#include "tests/unit/test.h"

static int state, tmp;
static struct message message;
static struct envelope e;

static void
fill(const char *id)
{
	memset(&e, 0, sizeof e);
	MUST(text_copy(e.id, sizeof e.id, id));
	e.arrived = 1795346553;
	e.skip = 2;
	e.size = 6;
	MUST(parse_address("a@client.test", &e.sender));
	e.n = 2;
	for (unsigned i = 0; i < 2; i++) {
		e.to[i].state = ENVELOPE_TODO;
		MUST(parse_address(i == 0 ? "b@far.test" : "c@far.test", &e.to[i].address));
	}
}

static void
make_message(void)
{
	uint64_t size;

	MUST(message_create(&message, tmp, "m") == 0);
	MUST(write(message.fd, "x\nbody", 6) == 6);
	MUST(message_seal(&message, &size) == 0 && size == 6);
	MUST(message_sync(&message) == 0);
}

static void
test_put(void)
{
	static struct envelope got;
	const char *why = "";
	int dir, fd;

	fill("1.1");
	TEST(queue_put(state, tmp, "spool/far.test", &message, &e, false, &dir) == 0,
	     "the first message of a domain makes its queue");
	TEST_STR(get(state, "spool/far.test/1.1.m"), "x\nbody", "the message is there");
	fd = openat(dir, "1.1.e", O_RDONLY);
	TEST(fd != -1 && envelope_read(fd, &got, &why) == 1 && got.n == 2 &&
	     strcmp(got.to[1].address.local, "c") == 0 && got.to[1].state == ENVELOPE_TODO,
	     "and its envelope %s", why);
	MUST(close(fd) == 0 && close(dir) == 0);
	fill("1.2");
	TEST(queue_put(state, tmp, "spool/far.test", &message, &e, false, &dir) == 0, "a second one");
	queue_take_back(dir, "1.2");
	TEST_STR(get(state, "spool/far.test/1.2.e"), "(none)", "taken back: no envelope");
	TEST_STR(get(state, "spool/far.test/1.2.m"), "(none)", "nor message");
	MUST(close(dir) == 0);
}

static void
test_refused(void)
{
	int dir;

	fill("1.1");
	TEST(queue_put(state, tmp, "spool/far.test", &message, &e, false, &dir) == -1 && errno == EEXIST &&
	     dir == -1, "an id that is there already");
	TEST_STR(get(state, "spool/far.test/1.1.m"), "x\nbody", "the older one stays");
	fill("1.3");
	e.n = 0;
	TEST(queue_put(state, tmp, "spool/far.test", &message, &e, false, &dir) == -1 && dir == -1,
	     "an envelope without a recipient");
	TEST_STR(get(state, "spool/far.test/1.3.m"), "(none)", "leaves no message behind");
	fill("1.4");
	MUST(symlinkat("far.test", state, "spool/link.test") == 0);
	TEST(queue_put(state, tmp, "spool/link.test", &message, &e, false, &dir) == -1 && errno == ELOOP,
	     "a symbolic link is no queue");
}

int
main(void)
{
	needs_openat2("queue");
	state = scratch();
	make_dir(state, "tmp");
	make_dir(state, "spool");
	tmp = openat(state, "tmp", O_RDONLY | O_DIRECTORY);
	MUST(tmp != -1);
	make_message();
	test_put();
	test_refused();
	return 0;
}
