/* keeper/quota.h: maildirsize in every state, the recount, and what it counts. */
#include "keeper/quota.h"

#include <time.h>

#include "tests/unit/test.h"

#define BOX "mail/x.test/u"
#define MAILDIR BOX "/Maildir/"
#define FILE_ MAILDIR "maildirsize"
#define RECOUNTED "         100         1\n" /* what the one message in new/ makes */

static int state;

static const char *
word(enum answer a)
{
	return a == ANSWER_YES ? "yes" : a == ANSWER_FULL ? "full" :
	       a == ANSWER_NEVER_FITS ? "never fits" : "other";
}

/* One message of 100 octets is in new/. after NULL: the file stays as it is. */
static const struct {
	const char *what, *before, *after;
	uint64_t quota, messages, size;
	enum answer want;
} rows[] = {
	{ "no quota", NULL, "(none)", 0, 0, 1 << 30, ANSWER_YES },
	{ "no quota, whatever the file says", "1S\n9 9\n", NULL, 0, 0, 1 << 30, ANSWER_YES },
	{ "no file yet", NULL, "1000S\n" RECOUNTED, 1000, 0, 10, ANSWER_YES },
	{ "no file, octets and messages", NULL, "1000S,5C\n" RECOUNTED, 1000, 5, 10, ANSWER_YES },
	{ "no file, messages alone", NULL, "0S,5C\n" RECOUNTED, 0, 5, 10, ANSWER_YES },
	{ "larger than all", "1000S\n0 0\n", NULL, 1000, 0, 1001, ANSWER_NEVER_FITS },
	{ "just as large", "1000S\n0 0\n", NULL, 1000, 0, 1000, ANSWER_YES },
	{ "just fits", "1000S\n400 1\n500 1\n", NULL, 1000, 0, 100, ANSWER_YES },
	{ "size not known, one octet left", "1000S\n999 1\n", NULL, 1000, 0, 0, ANSWER_YES },
	{ "size not known, none left", "1000S\n1000 1\n", NULL, 1000, 0, 0, ANSWER_FULL },
	{ "one octet too many, settled", "1000S\n900 1\n", NULL, 1000, 0, 101, ANSWER_FULL },
	{ "over, but not settled: counted again", "1000S\n900 1\n0 0\n", "1000S\n" RECOUNTED,
	  1000, 0, 101, ANSWER_YES },
	{ "messages left", "0S,5C\n10 4\n", NULL, 0, 5, 10, ANSWER_YES },
	{ "messages used up, settled", "0S,5C\n10 5\n", NULL, 0, 5, 10, ANSWER_FULL },
	{ "messages used up, not settled", "0S,5C\n10 4\n10 1\n", "0S,5C\n" RECOUNTED, 0, 5, 10,
	  ANSWER_YES },
	{ "removed mail counts down", "1000S\n900 9\n-600 -6\n", NULL, 1000, 0, 700, ANSWER_YES },
	{ "less than nothing is nothing", "1000S\n-5 -1\n", NULL, 1000, 0, 1000, ANSWER_YES },
	{ "blanks as others write them", "1000S\n         900         9\n", NULL, 1000, 0, 100,
	  ANSWER_YES },
	{ "no line end at the end", "1000S\n900 9", NULL, 1000, 0, 100, ANSWER_YES },
	{ "another quota", "2000S\n0 0\n", "1000S\n" RECOUNTED, 1000, 0, 10, ANSWER_YES },
	{ "another quota that begins the same", "1000S,5C\n0 0\n", "1000S\n" RECOUNTED, 1000, 0,
	  10, ANSWER_YES },
	{ "a quota but no counts", "1000S\n", "1000S\n" RECOUNTED, 1000, 0, 10, ANSWER_YES },
	{ "empty", "", "1000S\n" RECOUNTED, 1000, 0, 10, ANSWER_YES },
	{ "garbage", "what is this\n", "1000S\n" RECOUNTED, 1000, 0, 10, ANSWER_YES },
	{ "a garbled line", "1000S\n0 0\nx y\n", "1000S\n" RECOUNTED, 1000, 0, 10, ANSWER_YES },
	{ "a third number", "1000S\n0 0 0\n", "1000S\n" RECOUNTED, 1000, 0, 10, ANSWER_YES },
	{ "one number", "1000S\n0", "1000S\n" RECOUNTED, 1000, 0, 10, ANSWER_YES },
	{ "numbers past all reason", "1000S\n9223372036854775807 1\n9223372036854775807 1\n",
	  "1000S\n" RECOUNTED, 1000, 0, 10, ANSWER_YES },
	{ "numbers past 64 bits", "1000S\n-99999999999999999999999 -1\n", "1000S\n" RECOUNTED,
	  1000, 0, 10, ANSWER_YES },
};

static void
set_file(const char *content)
{
	if (unlinkat(state, FILE_, 0) == -1)
		MUST(errno == ENOENT);
	if (content != NULL)
		put(state, FILE_, content);
}

static void
test_rows(void)
{
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const char *after = rows[i].after != NULL ? rows[i].after : rows[i].before;
		struct domain d = { .quota = rows[i].quota, .quota_messages = rows[i].messages };
		enum answer a;

		set_file(rows[i].before);
		a = quota_check(state, BOX, &d, rows[i].size);
		TEST(a == rows[i].want, "%s: %s", rows[i].what, word(rows[i].want));
		TEST_STR(get(state, FILE_), after, "and maildirsize%s",
		         rows[i].after == NULL ? " stays" : "");
		TEST(count_in(state, MAILDIR "tmp") == 0, "and nothing is left in tmp");
	}
}

static void
test_odd_files(void)
{
	struct domain d = { .quota = 1000 };
	static char big[LIMIT_MAILDIRSIZE + 64] = "1000S\n";
	struct timespec old[2] = { { .tv_sec = time(NULL) - 1000 }, { .tv_sec = time(NULL) - 1000 } };

	put_n(state, FILE_, "1000S\n900\0 1\n", 13);
	TEST(quota_check(state, BOX, &d, 500) == ANSWER_YES, "a NUL: counted again");
	for (size_t n = strlen(big); n + 4 < LIMIT_MAILDIRSIZE + 8; n += 4)
		memcpy(big + n, "0 0\n", 4); /* zeros behind it */
	set_file(big);
	TEST(quota_check(state, BOX, &d, 500) == ANSWER_YES &&
	     strcmp(get(state, FILE_), "1000S\n" RECOUNTED) == 0, "a long file is written anew");
	set_file("1000S\n900 1\n");
	MUST(utimensat(state, FILE_, old, 0) == 0);
	TEST(quota_check(state, BOX, &d, 500) == ANSWER_YES, "a recount of long ago is not settled");
	set_file(NULL);
	MUST(symlinkat("/etc/passwd", state, FILE_) == 0);
	TEST(quota_check(state, BOX, &d, 500) == ANSWER_YES &&
	     strcmp(get(state, FILE_), "1000S\n" RECOUNTED) == 0, "a symbolic link is replaced");
	set_file(NULL);
	MUST(mkfifoat(state, FILE_, 0600) == 0);
	TEST(quota_check(state, BOX, &d, 500) == ANSWER_YES, "a fifo does not hang us");
	set_file(NULL);
	TEST(quota_check(state, "mail/x.test/none", &d, 500) == ANSWER_YES,
	     "no mailbox: not for us to say");
	TEST(quota_check(state, "mail/x.test/none", &d, 1001) == ANSWER_NEVER_FITS,
	     "no mailbox, but too large for any");
}

/* What a recount counts: each row is one more file; octets and messages in sum. */
static void
test_counted(void)
{
	static const struct {
		const char *path, *content;
		int octets, messages;
	} files[] = {
		{ "cur/b,S=200:2,S", "x", 300, 2 },
		{ "cur/c,S=50:2,ST", "x", 300, 2 },         /* trashed */
		{ "cur/d:2,", "12345", 305, 3 },            /* no S=: the file's size */
		{ "new/e,S=", "123", 308, 4 },
		{ "new/f,S=99999999999999999999", "1234", 312, 5 },
		{ "new/g,S=10,W=12", "x", 322, 6 },
		{ "new/.h,S=70", "x", 322, 6 },
		{ "tmp/i,S=70", "x", 322, 6 },
		{ ".Sent/cur/j,S=8:2,S", "x", 330, 7 },
		{ ".Sent/new/k,S=5", "x", 335, 8 },
		{ ".Sent.2026/cur/l,S=5", "x", 340, 9 },
		{ ".Trash/cur/m,S=70", "x", 340, 9 },
		{ "plain/cur/n,S=70", "x", 340, 9 },
	};
	static const char *const dirs[] = { ".Sent", ".Sent/cur", ".Sent/new", ".Sent.2026",
		".Sent.2026/cur", ".Trash", ".Trash/cur", "plain", "plain/cur" };
	struct domain d = { .quota = 5000 };
	char path[128], want[64];

	for (size_t i = 0; i < LENGTH(dirs); i++) {
		snprintf(path, sizeof path, MAILDIR "%s", dirs[i]);
		make_dir(state, path);
	}
	for (size_t i = 0; i < LENGTH(files); i++) {
		snprintf(path, sizeof path, MAILDIR "%s", files[i].path);
		put(state, path, files[i].content);
		set_file(NULL);
		snprintf(want, sizeof want, "5000S\n%12d %9d\n", files[i].octets, files[i].messages);
		TEST(quota_check(state, BOX, &d, 1) == ANSWER_YES, "counted: %s", files[i].path);
		TEST_STR(get(state, FILE_), want, "and the sum");
	}
}

static void
test_add(void)
{
	struct domain d = { .quota = 1000, .quota_messages = 9 };
	struct domain none = { 0 };

	set_file("1000S,9C\n         100         1\n");
	quota_add(state, BOX, &d, 250);
	quota_add(state, BOX, &none, 250);
	TEST_STR(get(state, FILE_), "1000S,9C\n         100         1\n         250         1\n",
	         "quota_add appends a line");
	TEST(quota_check(state, BOX, &d, 650) == ANSWER_YES, "and the line counts");
	set_file(NULL);
	quota_add(state, BOX, &d, 250);
	TEST_STR(get(state, FILE_), "(none)", "quota_add makes no file");
}

int
main(void)
{
	static const char *const dirs[] = { "mail", "mail/x.test", BOX, BOX "/Maildir",
		MAILDIR "tmp", MAILDIR "new", MAILDIR "cur" };

	needs_openat2("quota");
	state = scratch();
	for (size_t i = 0; i < LENGTH(dirs); i++)
		make_dir(state, dirs[i]);
	put(state, MAILDIR "new/a,S=100", "x");
	test_rows();
	test_odd_files();
	test_counted();
	test_add();
	return 0;
}
