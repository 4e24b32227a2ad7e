/* relay/queue.h: names, the lock, order, what is set aside, what is removed and when. */
#include "relay/queue.h"

#include <sys/file.h>
#include <time.h>

#include "tests/unit/test.h"

static struct queue q;
static struct queue_message m;
static int spool;
static unsigned told;
static char last[LIMIT_NAME + 1];

static void
on_foreign(struct queue *queue, const char *name, const char *why)
{
	(void)queue;
	(void)why;
	told++;
	MUST(text_copy(last, sizeof last, name));
}

static const struct {
	const char *name;
	const char *domain; /* NULL: it is none */
} names[] = {
	{ "example.org", "example.org" }, { "xn--bcher-kva.example", "xn--bcher-kva.example" },
	{ "%5B192.0.2.1%5D", "[192.0.2.1]" }, { "%5Bipv6%3A2001%3Adb8%3A%3A1%5D", "[ipv6:2001:db8::1]" },
	{ "", NULL }, { ".", NULL }, { "..", NULL }, { ".x", NULL }, { "a/b", NULL }, { "A.b", NULL },
	{ "a%2Fb", NULL }, { "%", NULL }, { "%5", NULL }, { "%5b192.0.2.1%5d", NULL }, { "a b", NULL },
	{ "%00", NULL }, { "lock%0A", NULL }, { "%41", NULL },
};

static void
test_names(void)
{
	char domain[LIMIT_DOMAIN + 3];

	for (size_t i = 0; i < LENGTH(names); i++) {
		bool good = queue_domain(domain, names[i].name);

		TEST(good == (names[i].domain != NULL) &&
		     (!good || strcmp(domain, names[i].domain) == 0) &&
		     queue_is_domain(names[i].name) == good, "name %s", show(names[i].name));
	}
}

static void
put_message(const char *id, const char *body)
{
	char path[128], envelope[512];

	snprintf(path, sizeof path, "x.test/%s.m", id);
	put(spool, path, body);
	snprintf(path, sizeof path, "x.test/%s.e", id);
	snprintf(envelope, sizeof envelope,
	         "postern 1\nid %s\nhold -\narrived 1\nskip 0\nsize %zu\nbody 7BIT\nutf8 no\n"
	         "sender <>\nto .- 0000000000 000 - - a@x.test\nend\n", id, strlen(body));
	put(spool, path, envelope);
}

static void
test_lock(void)
{
	int lock;

	TEST(queue_open(&q, "x.test") == QUEUE_NONE, "no directory");
	TEST(queue_open(&q, "../x.test") == QUEUE_NONE, "a path is no name");
	make_dir(spool, "x.test");
	TEST(queue_open(&q, "x.test") == QUEUE_OPEN, "opened");
	lock = openat(spool, "x.test/lock", O_RDWR | O_CLOEXEC);
	MUST(lock != -1);
	TEST(flock(lock, LOCK_EX | LOCK_NB) == -1, "and locked");
	queue_close(&q);
	TEST(flock(lock, LOCK_EX | LOCK_NB) == 0, "given back");
	TEST(queue_open(&q, "x.test") == QUEUE_BUSY && q.dir == -1, "somebody else has it");
	MUST(close(lock) == 0);
	TEST(queue_open(&q, "x.test") == QUEUE_OPEN && queue_remove_empty(&q) &&
	     count_in(spool, "x.test") == -1, "an empty one is removed");
	queue_close(&q);
}

static void
test_order(void)
{
	static const char *const ids[] = { "6b030000.3", "6b030000.1", "6b040000.1", "6b020000.9" };
	const char *name;
	bool good = true;

	make_dir(spool, "x.test");
	for (size_t i = 0; i < LENGTH(ids); i++)
		put_message(ids[i], "Subject: x\n\n");
	MUST(queue_open(&q, "x.test") == QUEUE_OPEN);
	for (unsigned i = 0; i < 2; i++) {
		static const char *const sorted[] = { "6b020000.9.e", "6b030000.1.e", "6b030000.3.e",
		                                      "6b040000.1.e" };

		for (size_t k = 0; k < LENGTH(sorted); k++)
			good &= (name = queue_next(&q)) != NULL && strcmp(name, sorted[k]) == 0;
		good &= queue_next(&q) == NULL && queue_next(&q) == NULL;
		queue_rewind(&q);
	}
	TEST(good, "from the oldest on, twice");
	TEST(!queue_remove_empty(&q) && count_in(spool, "x.test") == 9, "not empty: not removed");
	queue_close(&q);
}

static void
test_load(void)
{
	MUST(queue_open(&q, "x.test") == QUEUE_OPEN);
	TEST(queue_load(&q, "6b020000.9.e", &m) == QUEUE_LOADED && m.e.n == 1 &&
	     m.message_fd != -1 && m.envelope_fd != -1, "loaded");
	queue_unload(&m);
	errno = 1;
	TEST(queue_load(&q, "6b020000.8.e", &m) == QUEUE_SKIPPED && errno == 0, "gone: no error");
	put(spool, "x.test/6b040000.1.m", "longer than it was\n");
	TEST(queue_load(&q, "6b040000.1.e", &m) == QUEUE_ASIDE && told == 1 &&
	     strcmp(last, "6b040000.1.e") == 0, "of another size: set aside");
	TEST(count_in(spool, "x.test/bad") == 2, "both its files");
	put(spool, "x.test/notes", "x");
	put(spool, "x.test/.hidden", "x");
	while (queue_next(&q) != NULL)
		;
	TEST(told == 2 && strcmp(last, "notes") == 0 && count_in(spool, "x.test/bad") == 3,
	     "a foreign file: set aside");
	queue_close(&q);
}

/* The directory's time is `ns` after the kernel's own, when it is read for the first time. */
static void
set_time(int64_t ns)
{
	struct timespec times[2];

	MUST(clock_gettime(CLOCK_REALTIME_COARSE, &times[0]) == 0);
	ns += times[0].tv_nsec;
	times[0].tv_sec += ns / 1000000000;
	times[0].tv_nsec = ns % 1000000000;
	if (times[0].tv_nsec < 0) {
		times[0].tv_nsec += 1000000000;
		times[0].tv_sec--;
	}
	times[1] = times[0];
	MUST(futimens(q.dir, times) == 0);
}

static void
test_times(void)
{
	static const struct {
		const char *name;
		int64_t ns;
		bool fresh;
	} times[] = {
		{ "of this tick", 7000000, true },
		{ "of an earlier one", -100000000, false },
		{ "a minute ago", -60 * INT64_C(1000000000), false },
		{ "of a clock that was set back", 3600 * INT64_C(1000000000), false },
	};
	struct queue_time seen = { 0 };

	MUST(queue_open(&q, "x.test") == QUEUE_OPEN);
	for (size_t i = 0; i < LENGTH(times); i++) {
		/* Ticks go on meanwhile, and on a busy machine some more. */
		for (int tries = 0; tries < 100; tries++) {
			set_time(times[i].ns);
			(void)queue_changed(&q, &seen);
			if (seen.fresh == times[i].fresh)
				break;
		}
		TEST(seen.fresh == times[i].fresh, "a time %s", times[i].name);
		/* What was added since has the same one. */
		TEST(queue_changed(&q, &seen) == times[i].fresh, "a time %s: read again",
		     times[i].name);
		queue_settle(&q, &seen);
		TEST(!seen.fresh && !queue_changed(&q, &seen), "a time %s: settled", times[i].name);
	}
	queue_close(&q);
}

static void
test_finish(void)
{
	struct queue_time seen = { 0 };

	MUST(queue_open(&q, "x.test") == QUEUE_OPEN);
	queue_settle(&q, &seen);
	seen = (struct queue_time){ 0 };
	TEST(queue_changed(&q, &seen) && !queue_changed(&q, &seen), "unchanged");
	MUST(queue_load(&q, "6b020000.9.e", &m) == QUEUE_LOADED);
	/* The time of a directory is that of the kernel's last tick. */
	MUST(nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL) == 0);
	TEST(queue_finish(&q, &m) == 0 && faccessat(spool, "x.test/6b020000.9.e", F_OK, 0) == -1 &&
	     faccessat(spool, "x.test/6b020000.9.m", F_OK, 0) == 0, "the envelope goes first");
	queue_unload(&m);
	TEST(queue_changed(&q, &seen), "changed");
	TEST(queue_sync(&q) == 0 && faccessat(spool, "x.test/6b020000.9.m", F_OK, 0) == -1,
	     "its message after the sync");
	for (unsigned i = 0; i < LIMIT_QUEUE_BATCH; i++) {
		char id[32];

		snprintf(id, sizeof id, "6b0500%02x.1", i);
		put_message(id, "x\n");
		snprintf(id, sizeof id, "6b0500%02x.1.e", i);
		MUST(queue_load(&q, id, &m) == QUEUE_LOADED && queue_finish(&q, &m) == 0);
		queue_unload(&m);
	}
	TEST(!q.unsynced && q.n_done == 0 && faccessat(spool, "x.test/6b050000.1.m", F_OK, 0) == -1,
	     "a full batch syncs itself");
	queue_close(&q);
}

/* An id of long ago, and an inode's time that can't be set: only the young one is tried. */
static void
test_leftover(void)
{
	char young[64];

	snprintf(young, sizeof young, "x.test/%08lx.1.m", (unsigned long)time(NULL));
	put(spool, young, "x");
	put(spool, "x.test/00000001.1.m", "x");
	MUST(queue_open(&q, "x.test") == QUEUE_OPEN);
	while (queue_next(&q) != NULL)
		;
	TEST(faccessat(spool, young, F_OK, 0) == 0 &&
	     faccessat(spool, "x.test/00000001.1.m", F_OK, 0) == 0,
	     "a message just written waits for its envelope, whatever its id says");
	queue_close(&q);
}

int
main(void)
{
	spool = scratch();
	MUST(queue_init(&q, spool));
	q.foreign = on_foreign;
	test_names();
	test_lock();
	test_order();
	test_load();
	test_times();
	test_finish();
	test_leftover();
	free(q.window);
	return 0;
}
