/* See tidy.h. A keeper calls this now and then, after its session has ended. */
#include "keeper/tidy.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"

static void
remove_stale(int dir, const char *name, time_t before)
{
	struct log_line l;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_mtime > before || unlinkat(dir, name, 0) == -1)
		return; /* the next one will find it again */
	log_start(&l, "tidied");
	log_field(&l, "file", name);
	log_send(&l, LOG_LEVEL_INFO);
}

/* name: of the directory, beneath dir. */
static void
tidy(int dir, const char *name, time_t age)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd != -1 ? fdopendir(fd) : NULL;
	time_t before = time(NULL) - age;
	struct dirent *e;

	if (d == NULL) {
		if (fd != -1)
			(void)close(fd); /* only read */
		return;
	}
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			remove_stale(dirfd(d), e->d_name, before);
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
