/* relay/schedule.h: backoff of hosts, its file, and when a domain is due. */
#include "relay/schedule.h"

#include "tests/unit/test.h"

static struct conf conf = { .retry_min = 300, .retry_max = 7200 };
static struct schedule s, back;

static void
test_backoff(void)
{
	static const time_t wants[] = { 300, 600, 1200, 2400, 4800, 7200, 7200 };
	bool differs = false;
	time_t first = schedule_backoff(&conf, 3);

	for (unsigned i = 0; i < LENGTH(wants); i++) {
		bool good = true;

		for (unsigned k = 0; k < 200; k++) {
			time_t t = schedule_backoff(&conf, i + 1);

			good &= t >= wants[i] * 3 / 4 && t <= wants[i] * 5 / 4 && t <= 7200;
		}
		TEST(good, "failure %u: about %ld s", i + 1, (long)wants[i]);
	}
	for (unsigned k = 0; k < 100; k++)
		differs |= schedule_backoff(&conf, 3) != first;
	TEST(differs, "not always the same");
	TEST(schedule_backoff(&conf, 0) > 0 && schedule_backoff(&conf, 999) <= 7200, "far counts");
}

static void
test_hosts(void)
{
	memset(&s, 0, sizeof s);
	TEST(!schedule_is_down(&s, "192.0.2.1/25", &conf, 1000), "unknown: not down");
	schedule_failed(&s, "192.0.2.1/25", &conf, 1000, "4.4.1", "refused");
	TEST(schedule_is_down(&s, "192.0.2.1/25", &conf, 1000 + 224), "failed: down");
	TEST(!schedule_is_down(&s, "192.0.2.1/25", &conf, 1000 + 376), "and up again in time");
	TEST(!schedule_is_down(&s, "192.0.2.2/25", &conf, 1000), "another one is not");
	TEST(!schedule_is_down(&s, "192.0.2.1/25", &conf, -9000), "the clock was set back: up");
	schedule_failed(&s, "192.0.2.1/25", &conf, 2000, "4.4.2", repeat('x', 999));
	TEST(s.n == 1 && s.host[0].failures == 2 && s.host[0].until >= 2450, "longer and longer");
	TEST(strlen(s.host[0].text) == SCHEDULE_TEXT - 1, "a long text is cut");
	schedule_works(&s, "192.0.2.1/25");
	TEST(s.n == 0 && schedule_find(&s, "192.0.2.1/25") == NULL, "works: forgotten");
	for (unsigned i = 0; i < SCHEDULE_HOSTS + 5; i++) {
		char name[32];

		snprintf(name, sizeof name, "10.0.0.%u/25", i);
		schedule_failed(&s, name, &conf, 1000 + i * 1000, "4.4.1", "x");
	}
	TEST(s.n == SCHEDULE_HOSTS && schedule_find(&s, "10.0.0.0/25") == NULL &&
	     schedule_find(&s, "10.0.0.70/25") != NULL, "full: the oldest makes room");
}

static void
test_file(void)
{
	static const char *const bad[] = {
		"postern-retry 2\n", "x", "postern-retry 1\nhost\n", "postern-retry 1\nhost a 1 1 4 x",
		"postern-retry 1\nhost a -1 1 4 x\n", "postern-retry 1\nhost a 1 1 4 x y\n",
		"postern-retry 1\nhost a 1 1000 4 x\n", "postern-retry 1\nhost  1 1 4 x\n",
		"postern-retry 1\nhost a 99999999999 1 4 x\n", "postern-retry 1\nhost a+ 1 1 4 x\n",
	};
	int fd = memfd_create("retry", MFD_CLOEXEC);

	MUST(fd != -1);
	TEST(schedule_read(fd, &back) == 1 && back.n == 0, "an empty file knows nothing");
	memset(&s, 0, sizeof s);
	schedule_failed(&s, "192.0.2.1/25", &conf, 1000, "4.4.1", "connection refused +=\xc3\xbc");
	schedule_failed(&s, "/run/a b", &conf, 1000, "", "");
	s.host[0].until = 1300;
	TEST(schedule_write(fd, &s) == 0 && schedule_read(fd, &back) == 1 && back.n == 2 &&
	     back.host[0].until == 1300 && back.host[0].failures == 1 &&
	     strcmp(back.host[1].name, "/run/a b") == 0 &&
	     strcmp(back.host[0].text, s.host[0].text) == 0, "written and read back");
	s.n = 0;
	TEST(schedule_write(fd, &s) == 0 && lseek(fd, 0, SEEK_END) == 16, "a shorter one is cut");
	for (unsigned i = 0; i < SCHEDULE_HOSTS; i++) {
		char *name = repeat('+', SCHEDULE_NAME - 1);

		name[0] = (char)('0' + i);
		schedule_failed(&s, name, &conf, 1000, repeat('+', 15), repeat('+', SCHEDULE_TEXT - 1));
	}
	TEST(schedule_write(fd, &s) == 0 && schedule_read(fd, &back) == 1 &&
	     back.n == SCHEDULE_HOSTS, "the longest");
	for (size_t i = 0; i < LENGTH(bad); i++) {
		MUST(ftruncate(fd, 0) == 0 && pwrite(fd, bad[i], strlen(bad[i]), 0) > 0);
		TEST(schedule_read(fd, &back) == 0 && back.n == 0, "damaged: %s", show(bad[i]));
	}
}

static void
test_due(void)
{
	int spool = scratch(), fd;
	time_t now = time(NULL);

	make_dir(spool, "x.test");
	TEST(schedule_is_due(spool, "x.test", &conf, now), "no retry file: due");
	TEST(schedule_is_due(spool, "none.test", &conf, now), "no directory: let the run see");
	put(spool, "x.test/retry", "");
	fd = openat(spool, "x.test/retry", O_RDWR | O_CLOEXEC);
	MUST(fd != -1);
	(void)usleep(20000); /* the kernel's clock for inodes is coarse */
	MUST(schedule_set_due(fd, now + 100) == 0);
	TEST(!schedule_is_due(spool, "x.test", &conf, now), "later: not due");
	TEST(schedule_is_due(spool, "x.test", &conf, now + 100), "then: due");
	TEST(schedule_is_due(spool, "x.test", &conf, now - 9000), "far ahead: due");
	(void)usleep(20000);
	put(spool, "x.test/new.e", "");
	TEST(schedule_is_due(spool, "x.test", &conf, now), "something new: due");
	(void)usleep(20000);
	MUST(schedule_set_due(fd, now + 100) == 0);
	TEST(!schedule_is_due(spool, "x.test", &conf, now), "seen: not due");
}

int
main(void)
{
	test_backoff();
	test_hosts();
	test_file();
	test_due();
	return 0;
}
