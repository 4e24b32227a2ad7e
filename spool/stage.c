/* See stage.h. */
#include "spool/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

static bool
fail_write(struct verdict *v)
{
	verdict_set(v, errno == ENOMEM ? SPOOL_MEMORY : SPOOL_WRITE, "4.3.1",
	            "cannot keep the message", strerror(errno));
	return false;
}

bool
stage_open(struct stage *s, int dir, uint64_t limit, struct verdict *v)
{
	s->fd = memfd_create("message", MFD_CLOEXEC);
	s->dir = dir;
	s->in_memory = true;
	s->size = 0;
	s->limit = limit;
	return s->fd != -1 || fail_write(v);
}

static int
open_somewhere(const struct stage *s)
{
	const char *const places[] = { getenv("TMPDIR"), "/var/tmp", "/tmp" };
	int fd = -1;

	if (s->dir != -1)
		return openat(s->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	for (size_t i = 0; i < sizeof places / sizeof places[0] && fd == -1; i++)
		if (places[i] != NULL)
			fd = open(places[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return fd;
}

/* From memory to a file. Where there can be no such file it stays where it is. */
static bool
move_out(struct stage *s, struct verdict *v)
{
	int fd = open_somewhere(s);
	off_t at = 0;

	s->in_memory = false;
	if (fd == -1)
		return true;
	while ((uint64_t)at < s->size)
		if (sendfile(fd, s->fd, &at, s->size - (uint64_t)at) <= 0) {
			int err = errno;

			(void)close(fd); /* it vanishes */
			errno = err;
			return fail_write(v);
		}
	(void)close(s->fd); /* memory */
	s->fd = fd;
	return true;
}

bool
stage_write(struct stage *s, const char *buf, size_t len, struct verdict *v)
{
	if (s->size + len > s->limit) {
		verdict_set(v, SPOOL_REFUSED, "5.3.4", "the message is larger than this host takes",
		            "");
		return false;
	}
	if (s->in_memory && s->size + len > LIMIT_STAGE_MEMORY && !move_out(s, v))
		return false;
	while (len > 0) {
		ssize_t n = write(s->fd, buf, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return fail_write(v);
		buf += n;
		len -= (size_t)n;
		s->size += (size_t)n;
	}
	return true;
}

bool
stage_copy(struct stage *s, int fd, struct verdict *v)
{
	static char buf[64 * 1024];

	for (;;) {
		ssize_t n = read(fd, buf, sizeof buf);

		if (n == 0)
			return true;
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			verdict_set(v, SPOOL_READ, "4.3.0", "cannot read the message",
			            strerror(errno));
			return false;
		}
		if (!stage_write(s, buf, (size_t)n, v))
			return false;
	}
}

void
stage_close(struct stage *s)
{
	if (s->fd != -1)
		(void)close(s->fd); /* nobody needs what it held */
	s->fd = -1;
}
