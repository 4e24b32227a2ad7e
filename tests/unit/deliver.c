/* keeper/deliver.h: one file with a link for each mailbox, and all or nothing. */
#include "keeper/deliver.h"

#include <sys/resource.h>

#include "tests/unit/tree.h"

static const char text[] = "Return-Path: <>\nSubject: x\n\nbody\n";
#define SIZE (sizeof text - 1)

static struct targets targets;
static struct message message;
static int tmp;
static unsigned round_number; /* each round has mailboxes of its own */

/* n mailboxes r<round>n<i>@a.test, and a sealed message for them. */
static void
start(unsigned n)
{
	uint64_t size;

	round_number++;
	targets.n_destinations = n;
	for (unsigned i = 0; i < n; i++) {
		struct destination *d = &targets.destinations[i];

		snprintf(d->path, sizeof d->path, "mail/a.test/r%un%u", round_number, i);
		make_dir(state, d->path);
		d->domain = (struct domain){ 0 };
		d->outcome = ANSWER_YES;
	}
	MUST(message_create(&message, tmp, "id") == 0);
	MUST(write(message.fd, text, SIZE) == (ssize_t)SIZE);
	MUST(message_seal(&message, &size) == 0 && size == SIZE);
}

static void
run(bool each_alone)
{
	struct delivery d = {
		.state = state,
		.host = "mx.test",
		.message = &message,
		.size = SIZE,
		.targets = &targets,
		.each_alone = each_alone,
	};

	deliver(&d);
}

static void
finish(void)
{
	message_discard(&message);
}

/* Takes mailbox i away: nothing can be delivered there. */
static void
break_box(unsigned i)
{
	MUST(unlinkat(state, targets.destinations[i].path, AT_REMOVEDIR) == 0);
}

/* Messages in mailbox i's new/; -1 where there is no Maildir. */
static int
count_new(unsigned i)
{
	char path[MAILBOX_PATH + 16];

	snprintf(path, sizeof path, "%s/Maildir/new", targets.destinations[i].path);
	return count_in(state, path);
}

/* Letters of the outcomes, in order. */
static const char *
outcomes(void)
{
	static char s[LIMIT_DESTINATIONS + 1];

	for (unsigned i = 0; i < targets.n_destinations; i++)
		s[i] = (char)targets.destinations[i].outcome;
	s[targets.n_destinations] = '\0';
	return s;
}

static bool
is_delivered(unsigned i)
{
	char path[MAILBOX_PATH + 16];
	struct stat st, own;
	struct dirent *e;
	int fd;
	DIR *d;
	bool same = false;

	if (count_new(i) != 1)
		return false;
	snprintf(path, sizeof path, "%s/Maildir/new", targets.destinations[i].path);
	fd = openat(state, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fdopendir(fd);
	MUST(d != NULL && fstat(message.read_fd, &own) == 0);
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			same = fstatat(fd, e->d_name, &st, 0) == 0 && st.st_ino == own.st_ino &&
			       strcmp(get(fd, e->d_name), text) == 0 &&
			       strstr(e->d_name, ".mx.test,S=33") != NULL;
	closedir(d);
	return same;
}

/* Eight directories are synced one by one, more by one syncfs: both must link all. */
static void
test_links(void)
{
	static const unsigned counts[] = { 1, 2, 8, 9, 100 };

	for (size_t i = 0; i < LENGTH(counts); i++) {
		struct stat st;
		unsigned good = 0;

		start(counts[i]);
		run(false);
		for (unsigned k = 0; k < counts[i]; k++)
			good += is_delivered(k) && targets.destinations[k].outcome == ANSWER_YES;
		TEST(good == counts[i], "%u mailboxes: each has it", counts[i]);
		TEST(fstat(message.read_fd, &st) == 0 && st.st_nlink == counts[i],
		     "%u mailboxes: %u links of one file", counts[i], counts[i]);
		finish();
		TEST(count_in(state, "tmp") == 0, "%u mailboxes: nothing left in tmp", counts[i]);
	}
}

/* Mailbox `broken` of n cannot have it. */
static void
test_failure(void)
{
	static const struct {
		unsigned n, broken;
		bool each_alone;
	} rows[] = {
		{ 1, 0, false },  { 3, 0, false }, { 3, 1, false },  { 3, 2, false },
		{ 8, 7, false },  { 9, 0, false }, { 9, 8, false },  { 50, 25, false },
		{ 1, 0, true },   { 3, 0, true },  { 3, 1, true },   { 3, 2, true },
		{ 9, 4, true },
	};

	for (size_t i = 0; i < LENGTH(rows); i++) {
		const char *how = rows[i].each_alone ? "each alone" : "all or none";
		unsigned right = 0;
		struct stat st;

		start(rows[i].n);
		break_box(rows[i].broken);
		run(rows[i].each_alone);
		for (unsigned k = 0; k < rows[i].n; k++) {
			bool there = rows[i].each_alone && k != rows[i].broken;

			right += is_delivered(k) == there &&
			         (there || count_new(k) <= 0) &&
			         targets.destinations[k].outcome ==
			                 (there ? ANSWER_YES : ANSWER_ERROR);
		}
		TEST(right == rows[i].n, "%s: number %u of %u has no mailbox", how,
		     rows[i].broken + 1, rows[i].n);
		TEST(fstat(message.read_fd, &st) == 0 &&
		     st.st_nlink == (rows[i].each_alone ? rows[i].n - 1 : 0),
		     "and the links");
		finish();
	}
}

static void
test_limits(void)
{
	static const struct {
		const char *what;
		uint64_t size, quota;
		bool each_alone;
		const char *want; /* outcomes of three, the second has the limit */
	} rows[] = {
		{ "a domain's size", 65536, 0, false, "+++" },
		{ "no quota left, which RCPT has seen already", 0, 40, false, "+++" },
		{ "no quota left, each alone", 0, 40, true, "+f+" },
		{ "quota too small for ever, not known at RCPT", 0, 32, false, "+++" },
		{ "quota too small for ever, each alone", 0, 32, true, "+Q+" },
	};

	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct destination *to = &targets.destinations[1];
		char path[MAILBOX_PATH + 32];

		start(3);
		to->domain.size = rows[i].size;
		to->domain.quota = rows[i].quota;
		snprintf(path, sizeof path, "%s/Maildir", to->path);
		make_dir(state, path);
		snprintf(path, sizeof path, "%s/Maildir/maildirsize", to->path);
		put(state, path, "40S\n20 1\n");
		run(rows[i].each_alone);
		TEST_STR(outcomes(), rows[i].want, "%s", rows[i].what);
		TEST(is_delivered(0) == (rows[i].want[0] == '+') &&
		     is_delivered(1) == (rows[i].want[1] == '+') &&
		     is_delivered(2) == (rows[i].want[2] == '+'), "and who has it");
		if (rows[i].want[1] != '+')
			TEST_STR(get(state, path), "40S\n20 1\n", "and nothing is counted");
		finish();
	}
}

static void
test_size(void)
{
	struct delivery d = {
		.state = state,
		.host = "mx.test",
		.message = &message,
		.targets = &targets,
	};

	start(2);
	targets.destinations[0].domain.size = 65536;
	d.size = 65536 + LIMIT_TRACE + 1;
	deliver(&d);
	TEST_STR(outcomes(), "SS", "larger than a domain allows, our own lines apart");
	finish();
}

static void
test_quota_counts(void)
{
	char path[MAILBOX_PATH + 32];

	start(1);
	targets.destinations[0].domain.quota = 1000;
	run(false);
	finish();
	snprintf(path, sizeof path, "%s/Maildir/maildirsize", targets.destinations[0].path);
	TEST_STR(get(state, path), "(none)", "a first delivery leaves counting to the next");
	start(1);
	targets.destinations[0].domain.quota = 1000;
	snprintf(path, sizeof path, "%s/Maildir", targets.destinations[0].path);
	make_dir(state, path);
	snprintf(path, sizeof path, "%s/Maildir/maildirsize", targets.destinations[0].path);
	put(state, path, "1000S\n20 1\n");
	run(false);
	finish();
	TEST_STR(get(state, path), "1000S\n20 1\n          33         1\n", "a delivery is counted");
}

/* Descriptors run out in the middle: taking back must still work. */
static void
test_descriptors(void)
{
	struct rlimit old, few;
	int next = dup(0);

	start(8);
	MUST(next != -1 && close(next) == 0 && getrlimit(RLIMIT_NOFILE, &old) == 0);
	few = (struct rlimit){ (rlim_t)next + 7, old.rlim_max };
	MUST(setrlimit(RLIMIT_NOFILE, &few) == 0);
	run(false);
	MUST(setrlimit(RLIMIT_NOFILE, &old) == 0);
	TEST_STR(outcomes(), "eeeeeeee", "no descriptor left for the sixth of eight");
	int left = 0;
	for (unsigned i = 0; i < 8; i++)
		left += count_new(i) > 0;
	TEST(left == 0, "and no mailbox keeps it");
	finish();
}

int
main(void)
{
	needs_openat2("deliver");
	make_tree();
	make_domain("a.test", "");
	tmp = openat(state, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(tmp != -1);
	catch_log();
	test_links();
	test_failure();
	test_limits();
	test_size();
	test_quota_counts();
	test_descriptors();
	TEST(strstr(caught_log(), "open Maildir") != NULL, "failures are logged");
	return 0;
}
