/* base/tidy.h: old files in STATE/tmp go, everything else stays. */
#include "base/tidy.h"

#include <sys/file.h>
#include <time.h>

#include "base/limits.h"
#include "base/partial_dir.h"
#include "relay/trim.h"
#include "tests/unit/test.h"

static const struct {
	const char *name;
	int age; /* seconds */
	bool stays;
} rows[] = {
	{ "new", 0, true },
	{ "an-hour", 3600, true },
	{ "nearly", LIMIT_TMP_AGE - 60, true },
	{ "old", LIMIT_TMP_AGE + 60, false },
	{ "ancient", 1000 * 86400, false },
	{ "ahead", -86400, true },
	{ "odd\nname", LIMIT_TMP_AGE + 60, false },
	{ ".hidden", LIMIT_TMP_AGE + 60, true },
	{ "directory", LIMIT_TMP_AGE + 60, true },
	{ "link", LIMIT_TMP_AGE + 60, true },
};

static void
set_age(int dir, const char *name, int age)
{
	struct timespec times[2] = { { .tv_sec = time(NULL) - age } };

	times[1] = times[0];
	MUST(utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) == 0);
}

static bool
is_there(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* -- partial/ ------------------------------------------------------------------------------ */

#define HASH "0123456789abcdef0123456789abcdef"
#define A "aaaaaaaaaaaaaaaa-" HASH
#define B "bbbbbbbbbbbbbbbb-" HASH
#define C "cccccccccccccccc-" HASH

static const struct {
	const char *name;
	enum partial_kind kind;
} kinds[] = {
	{ A ".p", PARTIAL_HEAD },
	{ A ".6b03029aba16b.1.1.m", PARTIAL_DATA },
	{ A ".6b03029aba16b.1.1.e", PARTIAL_ENVELOPE },
	{ A ".6b03029aba16b.1.1.n", PARTIAL_NEXT },
	{ A ".0123456789012345678901234567890123456789.m", PARTIAL_DATA },
	{ A ".01234567890123456789012345678901234567890.m", PARTIAL_STRAY },
	{ A ".m", PARTIAL_STRAY },
	{ A "..m", PARTIAL_STRAY },
	{ A ".1.x", PARTIAL_STRAY },
	{ A ".1.p", PARTIAL_STRAY },
	{ A ".p~", PARTIAL_STRAY },
	{ A ".", PARTIAL_STRAY },
	{ A, PARTIAL_STRAY },
	{ A ".1/2.m", PARTIAL_STRAY },
	{ "A" A ".p", PARTIAL_STRAY },
	{ "AAAAAAAAAAAAAAAA-" HASH ".p", PARTIAL_STRAY },
	{ "aaaaaaaaaaaaaaaa_" HASH ".p", PARTIAL_STRAY },
	{ "aaaaaaaaaaaaaaaa-" HASH "0.p", PARTIAL_STRAY },
	{ "core", PARTIAL_STRAY },
	{ "", PARTIAL_STRAY },
};

static void
test_kinds(void)
{
	for (size_t i = 0; i < LENGTH(kinds); i++)
		TEST(partial_kind(kinds[i].name) == kinds[i].kind, "kind of %s",
		     show(kinds[i].name));
}

#define OLD (LIMIT_PARTIAL_AGE + 60)
static const struct {
	const char *name;
	int age;
	bool stays;
} waiting[] = {
	/* Resumed an hour ago for the last time: its envelope is of the first day. */
	{ A ".p", 3600, true },
	{ A ".1.e", OLD, true },
	{ A ".1.m", 3600, true },
	{ A ".2.m", OLD, true },
	/* Its client did not come back. */
	{ B ".p", OLD, false },
	{ B ".1.e", OLD, false },
	{ B ".1.m", OLD, false },
	/* Crashed: before it had a name, or while it was removed. */
	{ C ".1.e", OLD, false },
	{ C ".1.m", OLD, false },
	{ C ".2.n", OLD, false },
	{ C ".3.m", 3600, true },
	{ "core", OLD, false },
};

static void
test_partial_age(int state)
{
	int dir;

	make_dir(state, "partial");
	dir = openat(state, "partial", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < LENGTH(waiting); i++) {
		put(dir, waiting[i].name, "x");
		set_age(dir, waiting[i].name, waiting[i].age);
	}
	catch_log();
	tidy_partial(state);
	(void)caught_log();
	for (size_t i = 0; i < LENGTH(waiting); i++) {
		TEST(is_there(dir, waiting[i].name) == waiting[i].stays, "partial/%s, age %d, %s",
		     waiting[i].name, waiting[i].age, waiting[i].stays ? "stays" : "goes");
		(void)unlinkat(dir, waiting[i].name, 0);
	}
	close(dir);
}

/* A transaction `n` of an owner (a digit), with so many octets, as old as that. */
static void
hold(int dir, char owner, unsigned n, uint64_t octets, int age)
{
	static const char *const suffixes[] = { ".p", ".1.e", ".1.m" };
	char name[128];

	for (size_t i = 0; i < LENGTH(suffixes); i++) {
		snprintf(name, sizeof name, "000000000000000%c-%032x%s", owner, n, suffixes[i]);
		put(dir, name, "x");
		if (i == 2) {
			int fd = openat(dir, name, O_RDWR | O_CLOEXEC);

			MUST(fd != -1 && ftruncate(fd, (off_t)octets) == 0);
			close(fd);
		}
		set_age(dir, name, age);
	}
}

/* Which of an owner's transactions 0 to 9 are there, as digits; "?": one in part. */
static const char *
left(int dir, char owner)
{
	static char digits[4][11];
	static unsigned turn;
	char *p = digits[turn % 4], *start = digits[turn++ % 4];
	char name[128];

	for (unsigned n = 0; n < 10; n++) {
		bool head, data, envelope;

		snprintf(name, sizeof name, "000000000000000%c-%032x.p", owner, n);
		head = is_there(dir, name);
		snprintf(name, sizeof name, "000000000000000%c-%032x.1.m", owner, n);
		data = is_there(dir, name);
		snprintf(name, sizeof name, "000000000000000%c-%032x.1.e", owner, n);
		envelope = is_there(dir, name);
		if (head != data || head != envelope)
			*p++ = '?';
		else if (head)
			*p++ = (char)('0' + n);
	}
	*p = '\0';
	return start;
}

static void
trim(int dir)
{
	catch_log();
	trim_partial(dir);
	(void)caught_log();
}

#define GIB ((uint64_t)1 << 30)

static void
test_trim_own(int dir)
{
	char name[128];
	int lock;

	hold(dir, '1', 0, 3 * GIB / 2, 3600);
	hold(dir, '1', 1, GIB / 2, 7200);
	trim(dir);
	TEST_STR(left(dir, '1'), "01", "what fits stays");
	hold(dir, '1', 2, GIB / 4, 1800);
	hold(dir, '2', 0, 3 * GIB, 80000);
	trim(dir);
	TEST_STR(left(dir, '1'), "02", "too much of one: its oldest goes, with its files");
	TEST_STR(left(dir, '2'), "0", "a message that is the only one stays, however large");

	hold(dir, '1', 3, 2 * GIB, 10);
	trim(dir);
	TEST_STR(left(dir, '1'), "3", "what is being written stays, older ones go");
	hold(dir, '1', 4, GIB, 20000);
	hold(dir, '1', 5, GIB, 10000);
	snprintf(name, sizeof name, "0000000000000001-%032x.p", 4);
	lock = openat(dir, name, O_RDONLY | O_CLOEXEC);
	MUST(lock != -1 && flock(lock, LOCK_EX) == 0);
	trim(dir);
	TEST_STR(left(dir, '1'), "34", "what is being committed stays");
	close(lock);
	trim(dir);
	TEST_STR(left(dir, '1'), "3", "until it is not any more");
	for (unsigned i = 0; i < LIMIT_PARTIAL_OWN + 2; i++)
		hold(dir, '3', i, 1000, 50000 - (int)i);
	trim(dir);
	TEST_STR(left(dir, '3'), "23456789", "too many of one: the oldest two go");
}

/* A commit that was cut off between its links and "done": a retry must find it. */
static void
test_trim_linked(int dir)
{
	char name[128], late[128];

	hold(dir, 'a', 0, 2 * GIB, 80000);
	hold(dir, 'a', 1, GIB, 70000);
	hold(dir, 'a', 2, GIB, 60000);
	snprintf(name, sizeof name, "000000000000000a-%032x.1.m", 0);
	MUST(linkat(dir, name, dir, "mailbox", 0) == 0);
	trim(dir);
	TEST_STR(left(dir, 'a'), "012", "what is linked elsewhere takes no room, and stays");
	/* A message that goes on in a copy has two files, and either may be the one. */
	hold(dir, 'a', 3, GIB, 90000);
	snprintf(name, sizeof name, "000000000000000a-%032x.1.m", 3);
	snprintf(late, sizeof late, "000000000000000a-%032x.2.m", 3);
	put(dir, late, "x");
	set_age(dir, late, 90000);
	MUST(linkat(dir, late, dir, "another", 0) == 0);
	trim(dir);
	TEST_STR(left(dir, 'a'), "023", "nor does a transaction go of which one file is linked");
	MUST(unlinkat(dir, "mailbox", 0) == 0 && unlinkat(dir, "another", 0) == 0);
	trim(dir);
	TEST_STR(left(dir, 'a'), "2", "they go like others when nobody has them any more");
}

static void
test_trim_all(int dir)
{
	/* 1 and 2 have 5 GiB, and what is left of 3 is small. */
	hold(dir, '4', 0, 7 * GIB / 4, 40000);
	hold(dir, '4', 1, GIB / 4, 80000);
	for (int owner = '5'; owner <= '9'; owner++)
		hold(dir, (char)owner, 0, 2 * GIB - 100000, 30000);
	trim(dir);
	TEST_STR(left(dir, '2'), "", "too much in all: who has the most loses it");
	TEST_STR(left(dir, '4'), "01", "and nobody else, as soon as it fits");
	TEST_STR(left(dir, '9'), "0", "the same");
}

int
main(void)
{
	int dir = scratch();
	const char *log;

	for (size_t i = 0; i < LENGTH(rows); i++) {
		if (strcmp(rows[i].name, "directory") == 0)
			make_dir(dir, rows[i].name);
		else if (strcmp(rows[i].name, "link") == 0)
			MUST(symlinkat("new", dir, rows[i].name) == 0);
		else
			put(dir, rows[i].name, "x");
		set_age(dir, rows[i].name, rows[i].age);
	}
	catch_log();
	tidy_tmp(dir);
	tidy_tmp(dir);
	log = caught_log();
	for (size_t i = 0; i < LENGTH(rows); i++)
		TEST(is_there(dir, rows[i].name) == rows[i].stays,
		     "%s %s", show(rows[i].name), rows[i].stays ? "stays" : "goes");
	TEST(strstr(log, "event=tidied file=old\n") != NULL &&
	     strstr(log, "event=tidied file=\"odd\\x0aname\"\n") != NULL, "what goes is logged");
	TEST(lseek(dir, 0, SEEK_CUR) == 0, "the caller's descriptor is not moved");
	catch_log();
	tidy_tmp(-1);
	TEST_STR(caught_log(), "", "no directory, nothing to do");
	test_kinds();
	test_partial_age(dir);
	dir = scratch();
	test_trim_own(dir);
	test_trim_linked(scratch());
	test_trim_all(dir);
	return 0;
}
