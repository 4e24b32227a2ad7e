/*
 * What the fuzz targets share. A target defines LLVMFuzzerTestOneInput; libFuzzer
 * calls it (build-fuzz/fuzz_NAME), or replay.c with the files of a corpus
 * (BUILD/test/replay_NAME). A broken promise ends the process by abort().
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(good) \
	do { \
		if (!(good)) { \
			printf("%s:%d: broken: %s\n", __FILE__, __LINE__, #good); \
			fflush(stdout); \
			abort(); \
		} \
	} while (0)

/* The input as a string in memory of just that size, so that a sanitizer sees more. */
static inline char *
fuzz_string(const uint8_t *data, size_t size)
{
	char *s = malloc(size + 1);

	CHECK(s != NULL);
	if (size > 0)
		memcpy(s, data, size);
	s[size] = '\0';
	return s;
}

static char fuzz_dir[64];

static inline int
fuzz_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void
fuzz_clean(void)
{
	(void)nftw(fuzz_dir, fuzz_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* A directory for the whole process, in memory where there is such, gone at its end. */
static inline int
fuzz_scratch(void)
{
	int fd;

	snprintf(fuzz_dir, sizeof fuzz_dir, "%s/postern-fuzz-XXXXXX",
	         access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	CHECK(mkdtemp(fuzz_dir) != NULL && atexit(fuzz_clean) == 0);
	fd = open(fuzz_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(fd != -1);
	return fd;
}

static inline void
fuzz_mkdir(int dir, const char *path)
{
	CHECK(mkdirat(dir, path, 0700) == 0);
}

static inline int
fuzz_opendir(int dir, const char *path)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK(fd != -1);
	return fd;
}

static inline void
fuzz_put(int dir, const char *path, const void *content, size_t size)
{
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd != -1 && write(fd, content, size) == (ssize_t)size && close(fd) == 0);
}

/*
 * From now on fd 2 is a file in memory, for the log. libFuzzer keeps its own stderr
 * when it is started with -close_fd_mask=2, replay.c sees to the sanitizers'.
 */
static int fuzz_log_fd = -1;

static inline void
fuzz_catch_log(void)
{
	fuzz_log_fd = memfd_create("log", MFD_CLOEXEC);
	CHECK(fuzz_log_fd != -1 && fcntl(fuzz_log_fd, F_SETFL, O_APPEND) == 0);
	CHECK(dup2(fuzz_log_fd, 2) == 2);
}

/* Nothing in what was logged can be taken for another line or field; empties it. */
static inline void
fuzz_check_log(void)
{
	static char buf[1 << 16];
	ssize_t n = pread(fuzz_log_fd, buf, sizeof buf - 1, 0);
	char *p = buf;

	CHECK(n >= 0 && ftruncate(fuzz_log_fd, 0) == 0);
	buf[n] = '\0';
	for (char *lf; (lf = strchr(p, '\n')) != NULL; p = lf + 1) {
		bool quoted = false;

		CHECK(strncmp(p, "event=", 6) == 0);
		for (; p < lf; p++) {
			CHECK(*p >= ' ' && *p <= '~');
			if (*p == '\\')
				p++;
			else if (*p == '"')
				quoted = !quoted;
		}
		CHECK(!quoted);
	}
}

/* Removes every file in a directory; returns how many there were. */
static inline unsigned
fuzz_empty(int dir, const char *path)
{
	int fd = fuzz_opendir(dir, path);
	DIR *d = fdopendir(fd);
	unsigned n = 0;

	CHECK(d != NULL);
	for (const struct dirent *e; (e = readdir(d)) != NULL;)
		if (e->d_name[0] != '.') {
			CHECK(unlinkat(fd, e->d_name, 0) == 0);
			n++;
		}
	CHECK(closedir(d) == 0);
	return n;
}

#endif
