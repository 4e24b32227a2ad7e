/* keeper/tidy.h: old files in STATE/tmp go, everything else stays. */
#include "keeper/tidy.h"

#include <time.h>

#include "base/limits.h"
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

int
main(void)
{
	int dir = scratch();
	struct stat st;
	const char *log;

	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct timespec times[2] = { { .tv_sec = time(NULL) - rows[i].age } };

		times[1] = times[0];
		if (strcmp(rows[i].name, "directory") == 0)
			make_dir(dir, rows[i].name);
		else if (strcmp(rows[i].name, "link") == 0)
			MUST(symlinkat("new", dir, rows[i].name) == 0);
		else
			put(dir, rows[i].name, "x");
		MUST(utimensat(dir, rows[i].name, times, AT_SYMLINK_NOFOLLOW) == 0);
	}
	catch_log();
	tidy_tmp(dir);
	tidy_tmp(dir);
	log = caught_log();
	for (size_t i = 0; i < LENGTH(rows); i++)
		TEST((fstatat(dir, rows[i].name, &st, AT_SYMLINK_NOFOLLOW) == 0) == rows[i].stays,
		     "%s %s", show(rows[i].name), rows[i].stays ? "stays" : "goes");
	TEST(strstr(log, "event=tidied file=old\n") != NULL &&
	     strstr(log, "event=tidied file=\"odd\\x0aname\"\n") != NULL, "what goes is logged");
	TEST(lseek(dir, 0, SEEK_CUR) == 0, "the caller's descriptor is not moved");
	catch_log();
	tidy_tmp(-1);
	TEST_STR(caught_log(), "", "no directory, nothing to do");
	return 0;
}
