/*
 * See store.h. The order is the promise: data, then its name, then the directory that
 * holds the name.
 */
#include "auth/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

#define LOCK_TRIES 100
#define LOCK_PAUSE_MS 50

static void
close_quietly(int fd)
{
	int err = errno;

	(void)close(fd); /* only read, or given up */
	errno = err;
}

int
store_open(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int
store_lock(int dir)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_MS * 1000000L };

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(dir, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -1;
		(void)nanosleep(&pause, NULL); /* shorter when a signal comes: harmless */
	}
	return -1;
}

ssize_t
store_read(int dir, const char *name, char *buf, size_t cap)
{
	struct stat st;
	size_t len = 0;
	ssize_t n = -1;
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
		errno = EBADMSG;
	else
		while (len < cap && ((n = read(fd, buf + len, cap - len)) > 0 ||
		                     (n == -1 && errno == EINTR)))
			len += n > 0 ? (size_t)n : 0;
	close_quietly(fd);
	if (n == -1)
		return -1;
	if (len == cap) {
		errno = EFBIG;
		return -1;
	}
	buf[len] = '\0';
	if (strlen(buf) != len) {
		errno = EBADMSG;
		return -1;
	}
	return (ssize_t)len;
}

static int
make_file(int dir, const char *name, const char *text)
{
	size_t len = strlen(text);
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	ssize_t n;

	if (fd == -1)
		return -1;
	errno = ENOSPC;
	n = write(fd, text, len);
	if (n == (ssize_t)len && fsync(fd) == 0)
		return close(fd);
	close_quietly(fd);
	return -1;
}

int
store_write(int dir, const char *name, const char *text, bool replace)
{
	char temporary[64];
	uint64_t random;
	struct text t;
	int r, err;

	if (getrandom(&random, sizeof random, 0) != sizeof random)
		return -1;
	text_init(&t, temporary, sizeof temporary);
	text_add(&t, STORE_NEW);
	text_addx(&t, random, 16);
	r = make_file(dir, temporary, text);
	if (r == 0)
		r = replace ? renameat(dir, temporary, dir, name) :
		              linkat(dir, temporary, dir, name, 0);
	err = errno;
	if (r == -1 || !replace)
		(void)unlinkat(dir, temporary, 0); /* a leftover is harmless; check names it */
	errno = err;
	return r == -1 ? -1 : fsync(dir);
}
