/*
 * See tidy.h. A keeper calls this now and then, after its session has ended; flush does in
 * its regular run.
 */
#include "base/tidy.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/partial_dir.h"

void
tidy_remove(int dir, const char *name)
{
	struct log_line l;

	if (unlinkat(dir, name, 0) == -1)
		return; /* the next one will find it again */
	log_start(&l, "tidied");
	log_field(&l, "file", name);
	log_send(&l, LOG_LEVEL_INFO);
}

static bool
is_stale(int dir, const char *name, time_t before)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       st.st_mtime <= before;
}

/*
 * A transaction ages as one. Its envelope is written once and its message may wait for the
 * commit, so what they belong to says whether they are of use: KEY.p, written by each of the
 * client's connections.
 */
static bool
is_of_use(int dir, const char *name, time_t before)
{
	enum partial_kind kind = partial_kind(name);
	char head[PARTIAL_NAME];
	struct stat st;

	if (kind == PARTIAL_STRAY || kind == PARTIAL_HEAD)
		return false;
	partial_head_name(head, name);
	return fstatat(dir, head, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtime > before;
}

/* name: of the directory, beneath dir. */
static void
tidy(int dir, const char *name, time_t age)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd != -1 ? fdopendir(fd) : NULL;
	time_t before = time(NULL) - age;
	const struct dirent *e;

	if (d == NULL) {
		if (fd != -1)
			(void)close(fd); /* only read */
		return;
	}
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' && is_stale(fd, e->d_name, before) &&
		    !is_of_use(fd, e->d_name, before))
			tidy_remove(fd, e->d_name);
	(void)closedir(d);
}

void
tidy_tmp(int dir)
{
	tidy(dir, ".", LIMIT_TMP_AGE);
}

void
tidy_partial(int state)
{
	tidy(state, "partial", LIMIT_PARTIAL_AGE);
}
