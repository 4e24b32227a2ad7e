/*
 * See tree.h. The order of the system calls is the promise: data, then its name,
 * then the directory that holds the name. Called by everything in admin/ that
 * changes or reads files.
 */
#include "admin/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

#define DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

void
tree_close(int fd)
{
	int err = errno;

	if (fd != -1)
		(void)close(fd); /* a directory, or a file synced before */
	errno = err;
}

int
tree_open(int at, const char *name)
{
	return openat(at, name, DIRECTORY);
}

int
tree_make(int at, const char *name, mode_t mode)
{
	int fd = tree_open(at, name);

	if (fd != -1 || errno != ENOENT)
		return fd;
	if (mkdirat(at, name, 0700) == -1 && errno != EEXIST)
		return -1;
	fd = tree_open(at, name);
	if (fd != -1 && fchmod(fd, mode) == 0 && fsync(fd) == 0 && fsync(at) == 0)
		return fd;
	tree_close(fd);
	return -1;
}

/* PREFIX, then 16 random digits: two commands at once never share it. */
static int
name_temporary(char out[64], const char *prefix)
{
	uint64_t random;
	struct text t;

	if (getrandom(&random, sizeof random, 0) != sizeof random)
		return -1;
	text_init(&t, out, 64);
	text_add(&t, prefix);
	text_addx(&t, random, 16);
	return 0;
}

static int
write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A new file, its content on disk; its name may not be yet. */
static int
make_file(int at, const char *name, const char *data, size_t len, mode_t mode)
{
	int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd == -1)
		return -1;
	if (write_all(fd, data, len) == 0 && fchmod(fd, mode) == 0 && fsync(fd) == 0)
		return close(fd);
	tree_close(fd);
	return -1;
}

static void
drop(int at, const char *name, int flags)
{
	int err = errno;

	(void)unlinkat(at, name, flags); /* a leftover is harmless; check names it */
	errno = err;
}

int
tree_write(int at, const char *name, const char *data, size_t len, mode_t mode, bool replace)
{
	char temporary[64];
	int r;

	if (name_temporary(temporary, TREE_NEW) == -1)
		return -1;
	if (make_file(at, temporary, data, len, mode) == -1) {
		drop(at, temporary, 0);
		return -1;
	}
	r = replace ? renameat(at, temporary, at, name) :
	              linkat(at, temporary, at, name, 0);
	if (r == -1 || !replace)
		drop(at, temporary, 0);
	return r == -1 ? -1 : fsync(at);
}

/* Fails with EEXIST where `to` is taken, also by an empty directory. */
static int
rename_directory(int at, const char *from, const char *to)
{
	struct stat st;

	if (renameat2(at, from, at, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	/* The filesystem has no such flag; the caller's lock keeps other commands out. */
	if (fstatat(at, to, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return renameat(at, from, at, to);
}

int
tree_make_with_file(int at, const char *name, const char *file, const char *data, size_t len)
{
	char temporary[64];
	int dir;

	if (name_temporary(temporary, TREE_NEW) == -1)
		return -1;
	dir = tree_make(at, temporary, 0700);
	if (dir == -1)
		return -1;
	if (make_file(dir, file, data, len, 0600) == -1 || fsync(dir) == -1 ||
	    rename_directory(at, temporary, name) == -1) {
		drop(dir, file, 0);
		tree_close(dir);
		drop(at, temporary, AT_REMOVEDIR);
		return -1;
	}
	tree_close(dir);
	return fsync(at);
}

ssize_t
tree_read(int at, const char *name, char *buf, size_t cap)
{
	/* O_NONBLOCK: a FIFO put there must not hold us. */
	int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	size_t len = 0;
	ssize_t n = 1;

	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
		tree_close(fd);
		errno = EINVAL;
		return -1;
	}
	while (n > 0 && len < cap) {
		n = read(fd, buf + len, cap - len);
		if (n == -1 && errno == EINTR)
			n = 1;
		else if (n > 0)
			len += (size_t)n;
	}
	tree_close(fd);
	if (n == -1)
		return -1;
	if (len == cap) {
		errno = EFBIG;
		return -1;
	}
	buf[len] = '\0';
	return (ssize_t)len;
}

int
tree_unlink(int at, const char *name)
{
	return unlinkat(at, name, 0) == -1 ? -1 : fsync(at);
}

int
tree_move_away(int at, const char *name, char temporary[64])
{
	if (name_temporary(temporary, TREE_OLD) == -1)
		return -1;
	return renameat(at, name, at, temporary) == -1 ? -1 : fsync(at);
}

int
tree_move_back(int at, const char *temporary, const char *name)
{
	return rename_directory(at, temporary, name) == -1 ? -1 : fsync(at);
}

static int
empty_directory(int dir)
{
	struct rows names;
	int r = tree_list(dir, &names);

	for (size_t i = 0; r == 0 && i < names.n; i++) {
		const char *name = rows_get(&names, i, 0);

		if (unlinkat(dir, name, 0) == -1)
			r = errno == EISDIR ? tree_remove(dir, name) : -1;
	}
	rows_free(&names);
	return r;
}

int
tree_remove(int at, const char *name)
{
	int dir = tree_open(at, name);
	int r;

	if (dir == -1)
		return -1;
	r = empty_directory(dir);
	tree_close(dir);
	if (r == -1 || unlinkat(at, name, AT_REMOVEDIR) == -1)
		return -1;
	return fsync(at);
}

static bool
is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* A stream of its own position: dup() would share the caller's. */
static DIR *
open_stream(int at, const char *name)
{
	int fd = tree_open(at, name);
	DIR *d = fd != -1 ? fdopendir(fd) : NULL;

	if (d == NULL)
		tree_close(fd);
	return d;
}

int
tree_list(int dir, struct rows *names)
{
	struct dirent *e;
	DIR *d;
	int r;

	if (rows_start(names, 1) == -1)
		return -1;
	d = open_stream(dir, ".");
	if (d == NULL)
		return -1;
	errno = 0;
	while ((e = readdir(d)) != NULL)
		if (!is_dots(e->d_name))
			rows_add(names, e->d_name);
	r = errno != 0 ? -1 : rows_load(names);
	(void)closedir(d); /* only read */
	return r;
}

unsigned long
tree_count(int at, const char *name)
{
	DIR *d = open_stream(at, name);
	struct dirent *e;
	unsigned long n = 0;

	if (d == NULL)
		return 0;
	while ((e = readdir(d)) != NULL)
		n += !is_dots(e->d_name);
	(void)closedir(d); /* only read */
	return n;
}
