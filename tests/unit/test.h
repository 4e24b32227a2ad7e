/*
 * What the unit tests share: one printed line a case, a scratch directory that goes
 * away, and the log caught as text. Cases stand in tables, one line each:
 *
 *	TEST(parse_u64("7", 9, &n) && n == 7, "parse_u64 \"7\"");
 *
 * main() returns 0 when it came to its end; tests/run counts the lines.
 */
#ifndef TESTS_UNIT_TEST_H
#define TESTS_UNIT_TEST_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* A condition, and the name of the case in printf's form. */
#define TEST(good, ...) test_case(good, __FILE__, __LINE__, __VA_ARGS__)

/* The same; when the strings differ both are shown. */
#define TEST_STR(got, want, ...) test_str(got, want, __FILE__, __LINE__, __VA_ARGS__)

/* Ends the program: the test itself could not go on, which fails the suite. */
#define MUST(good) \
	do { \
		if (!(good)) \
			test_broken(__FILE__, __LINE__, #good); \
	} while (0)

__attribute__((format(printf, 4, 5))) static inline bool
test_case(bool good, const char *file, int line, const char *name, ...)
{
	va_list ap;

	fputs(good ? "ok " : "not ok ", stdout);
	va_start(ap, name);
	vprintf(name, ap);
	va_end(ap);
	if (!good)
		printf(": %s:%d", file, line);
	putchar('\n');
	fflush(stdout);
	return good;
}

static inline _Noreturn void
test_broken(const char *file, int line, const char *what)
{
	printf("%s:%d: needs %s (%s)\n", file, line, what, strerror(errno));
	fflush(stdout);
	exit(1);
}

/* s with every octet printable, cut after 60; good until the eighth call after. */
static inline const char *
show_n(const char *s, size_t len)
{
	static char bufs[8][320];
	static unsigned turn;
	char *buf = bufs[turn++ % 8];
	size_t n = 0;

	buf[n++] = '"';
	for (size_t i = 0; i < len && i < 60; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '\r' || c == '\n')
			n += (size_t)snprintf(buf + n, 5, "\\%c", c == '\r' ? 'r' : 'n');
		else if (c < ' ' || c > '~' || c == '\\')
			n += (size_t)snprintf(buf + n, 5, "\\x%02x", c);
		else
			buf[n++] = (char)c;
	}
	if (len > 60)
		(void)snprintf(buf + n, sizeof bufs[0] - n, "\"... (%zu octets)", len);
	else
		(void)snprintf(buf + n, sizeof bufs[0] - n, "\"");
	return buf;
}

static inline const char *
show(const char *s)
{
	return show_n(s, strlen(s));
}

__attribute__((format(printf, 5, 6))) static inline bool
test_str(const char *got, const char *want, const char *file, int line, const char *name, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, name);
	vsnprintf(text, sizeof text, name, ap);
	va_end(ap);
	if (strcmp(got, want) == 0)
		return test_case(true, file, line, "%s", text);
	return test_case(false, file, line, "%s: got %s, want %s", text, show(got), show(want));
}

/* A string of n times c; the caller frees it, or leaves it: a leak is none that is kept. */
static inline char *
repeat(char c, size_t n)
{
	static char *volatile kept[16384];
	static size_t count;
	char *s = malloc(n + 1);

	MUST(s != NULL);
	kept[count++ % LENGTH(kept)] = s;
	memset(s, c, n);
	s[n] = '\0';
	return s;
}

/*
 * keeper/ opens by openat2(2), which valgrind before 3.22 does not know: nothing can
 * be tested then, and one line says so. Call it first.
 */
static inline void
needs_openat2(const char *program)
{
	if (syscall(SYS_openat2, -1, "", NULL, 0) == -1 && errno == ENOSYS) {
		printf("skip %s: openat2(2) is missing here\n", program);
		exit(0);
	}
}

static char test_dir[64];

static inline int
test_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void
test_clean(void)
{
	if (test_dir[0] != '\0')
		(void)nftw(test_dir, test_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* A new directory beneath `parent`, removed at exit. Once in a program. */
static inline int
scratch_in(const char *parent)
{
	int fd;

	snprintf(test_dir, sizeof test_dir, "%s/postern-unit-XXXXXX", parent);
	MUST(mkdtemp(test_dir) != NULL);
	MUST(atexit(test_clean) == 0);
	fd = open(test_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(fd != -1);
	return fd;
}

static inline int
scratch(void)
{
	return scratch_in("/tmp");
}

static inline void
put_n(int dir, const char *path, const char *content, size_t len)
{
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	MUST(fd != -1);
	MUST(write(fd, content, len) == (ssize_t)len);
	MUST(close(fd) == 0);
}

static inline void
put(int dir, const char *path, const char *content)
{
	put_n(dir, path, content, strlen(content));
}

/* The start of a file as a string; "(none)" where there is no such file. */
static inline const char *
get(int dir, const char *path)
{
	static char buf[8192];
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd == -1)
		return "(none)";
	n = read(fd, buf, sizeof buf - 1);
	MUST(n >= 0);
	MUST(close(fd) == 0);
	buf[n] = '\0';
	return buf;
}

static inline void
make_dir(int dir, const char *path)
{
	MUST(mkdirat(dir, path, 0700) == 0);
}

/* Entries of a directory but "." and ".."; -1 where there is none. */
static inline int
count_in(int dir, const char *path)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d;
	int n = 0;

	if (fd == -1)
		return -1;
	d = fdopendir(fd);
	MUST(d != NULL);
	for (const struct dirent *e; (e = readdir(d)) != NULL;)
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	return n;
}

/* Between the two calls what goes to fd 2 is kept; the second returns it. */
static int caught_fd = -1, real_stderr = -1;

static inline void
catch_log(void)
{
	caught_fd = memfd_create("log", MFD_CLOEXEC);
	real_stderr = dup(2);
	MUST(caught_fd != -1 && real_stderr != -1 && dup2(caught_fd, 2) == 2);
}

static inline const char *
caught_log(void)
{
	static char buf[16384];
	ssize_t n = pread(caught_fd, buf, sizeof buf - 1, 0);

	MUST(n >= 0 && dup2(real_stderr, 2) == 2);
	MUST(close(real_stderr) == 0 && close(caught_fd) == 0);
	buf[n] = '\0';
	return buf;
}

#endif
