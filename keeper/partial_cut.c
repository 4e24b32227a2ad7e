/*
 * How much of an interrupted message can be promised, and its file made ready for the rest.
 * Called with KEY.p locked. The session that wrote it may live on, hung, with a descriptor
 * that appends: where a writer is left the message goes on in a copy.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "keeper/partial.h"

/* Octets of it that are looked at together. */
#define BLOCK (64 * 1024)
/* Seconds by which the time of the start may differ, since the clock is set now and then. */
#define SLACK 5

uint64_t
partial_boot(void)
{
	struct timespec now, up;

	/* Neither can fail. */
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)clock_gettime(CLOCK_BOOTTIME, &up);
	return now.tv_sec > up.tv_sec ? (uint64_t)(now.tv_sec - up.tv_sec) : 0;
}

static bool
is_same_boot(uint64_t then)
{
	uint64_t now = partial_boot();

	return now > then ? now - then <= SLACK : then - now <= SLACK;
}

/* What lies behind the mark and is to be kept. */
struct rest {
	uint64_t end;   /* behind its last line end; 0: there is none */
	uint64_t lines; /* ended in it */
};

static int
count_lines(int fd, uint64_t at, uint64_t end, struct rest *r)
{
	static char buf[BLOCK];

	*r = (struct rest){ 0 };
	while (at < end) {
		size_t want = end - at < BLOCK ? (size_t)(end - at) : BLOCK;
		ssize_t n = pread(fd, buf, want, (off_t)at);
		const char *p = buf;

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n == 0 ? EIO : errno;
			return -1;
		}
		while ((p = memchr(p, '\n', (size_t)n - (size_t)(p - buf))) != NULL) {
			p++;
			r->lines++;
			r->end = at + (uint64_t)(p - buf);
		}
		at += (uint64_t)n;
	}
	return 0;
}

/* Where the line begins that holds the octet before `at`; not before `first`. */
static int
line_start(int fd, uint64_t first, uint64_t at, uint64_t *start)
{
	static char buf[BLOCK];

	while (at > first) {
		size_t want = at - first < BLOCK ? (size_t)(at - first) : BLOCK;
		ssize_t n = pread(fd, buf, want, (off_t)(at - want));
		const char *lf;

		if (n == -1 && errno == EINTR)
			continue;
		if (n != (ssize_t)want) {
			errno = n == -1 ? errno : EIO;
			return -1;
		}
		lf = memrchr(buf, '\n', want);
		if (lf != NULL) {
			*start = at - want + (uint64_t)(lf + 1 - buf);
			return 0;
		}
		at -= want;
	}
	*start = first;
	return 0;
}

/* Sets m to all that can be promised of a file of `size` octets. 0 or -1. */
static int
measure(int fd, struct partial_mark *m, uint64_t size, uint64_t trace, bool lines)
{
	struct rest r;
	uint64_t start;

	if (!is_same_boot(m->boot) && size > m->octets)
		size = m->octets; /* what was not synced may be anything */
	m->boot = partial_boot();
	if (m->octets <= trace || size < m->octets) {
		m->octets = m->canonical = 0; /* no header, or a damaged file: from the start */
		return 0;
	}
	if (!lines) {
		m->canonical += size - m->octets;
		m->octets = size;
		return 0;
	}
	if (count_lines(fd, m->octets, size, &r) == -1)
		return -1;
	if (r.end != 0) {
		m->canonical += r.end - m->octets + r.lines;
		m->octets = r.end;
		return 0;
	}
	/* The mark is inside a line: what lies between holds no line end. */
	if (line_start(fd, trace, m->octets, &start) == -1)
		return -1;
	m->canonical -= m->octets - start;
	m->octets = start;
	return 0;
}

/*
 * True when nobody has it open for writing. Waits a little: the session of a broken
 * connection reads what had arrived, and ends.
 */
static bool
is_alone(int fd)
{
	static const struct timespec pause = { .tv_nsec = 5000000 };
	int64_t now = clock_ms(), end = now + LIMIT_PARTIAL_WRITER, grown = now;
	off_t size = -1;
	struct stat st;

	while (fcntl(fd, F_SETLEASE, F_RDLCK) == -1) {
		if (errno != EAGAIN)
			return false;
		now = clock_ms();
		if (fstat(fd, &st) == 0 && st.st_size != size) {
			size = st.st_size;
			grown = now;
		}
		if (now > end || now - grown > LIMIT_PARTIAL_SILENT)
			return false;
		(void)nanosleep(&pause, NULL);
	}
	return fcntl(fd, F_SETLEASE, F_UNLCK) == 0;
}

static int
copy(int from, int to, uint64_t len)
{
	off_t at = 0;

	while ((uint64_t)at < len) {
		ssize_t n = copy_file_range(from, &at, to, NULL, (size_t)(len - (uint64_t)at), 0);

		if (n == 0)
			errno = EIO;
		if (n <= 0 && errno != EINTR)
			return -1;
	}
	return 0;
}

/* The first `len` octets of the message at fd in a file that nobody else knows. */
static int
go_on_in_copy(struct partial *p, int fd, uint64_t len, const char *id)
{
	char name[PARTIAL_NAME];

	partial_name(name, p, id, ".m");
	if (message_create_named(&p->data, p->dir, name) == -1)
		return -1;
	/* copy_file_range() takes no descriptor that appends. */
	if (fcntl(p->data.fd, F_SETFL, 0) == -1 || copy(fd, p->data.fd, len) == -1 ||
	    fcntl(p->data.fd, F_SETFL, O_APPEND) == -1) {
		message_discard(&p->data);
		return -1;
	}
	(void)text_copy(p->file.file, sizeof p->file.file, id); /* it is one */
	return 0;
}

static int
go_on_in_place(struct partial *p, const char *name, uint64_t len)
{
	struct stat st;

	if (message_reopen(&p->data, p->dir, name) == -1)
		return -1;
	if (fstat(p->data.fd, &st) == -1)
		return -1;
	if ((uint64_t)st.st_size > len && ftruncate(p->data.fd, (off_t)len) == -1)
		return -1;
	return futimens(p->data.fd, NULL); /* for who tidies up */
}

int
partial_cut(struct partial *p, uint64_t trace, bool lines, const char *id)
{
	struct partial_mark *m = &p->file.mark;
	char name[PARTIAL_NAME];
	uint64_t len;
	struct stat st;
	bool alone;
	int fd, r = -1, err;

	partial_name(name, p, p->file.file, ".m");
	fd = openat(p->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return -1;
	alone = is_alone(fd); /* before its size is taken: then nothing is added any more */
	if (fstat(fd, &st) == 0 && (uint64_t)st.st_size >= trace)
		r = measure(fd, m, (uint64_t)st.st_size, trace, lines);
	else
		errno = ENOENT; /* less than we put there ourselves */
	len = m->octets != 0 ? m->octets : trace;
	if (r == 0)
		r = alone ? go_on_in_place(p, name, len) : go_on_in_copy(p, fd, len, id);
	if (r == 0)
		r = message_sync(&p->data); /* the offset that will be promised */
	err = errno;
	(void)close(fd); /* only read */
	errno = err;
	return r;
}
