/* See forward.h. The whole file is read at once: it is small and changes by rename. */
#include "keeper/forward.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "keeper/mailbox.h"

static int
read_all(struct forward *f, int fd)
{
	while (f->len < sizeof f->text) {
		ssize_t n = read(fd, f->text + f->len, sizeof f->text - f->len);

		if (n == 0)
			return 0;
		if (n == -1 && errno != EINTR)
			return -1;
		f->len += n > 0 ? (size_t)n : 0;
	}
	errno = EFBIG;
	return -1;
}

int
forward_open(struct forward *f, int dir, const char *path)
{
	int fd = mailbox_open(dir, path, "/forward", O_RDONLY | O_NONBLOCK);
	int r;

	if (fd == -1)
		return errno == ENOENT ? 1 : -1;
	f->at = f->len = 0;
	f->line = 0;
	r = read_all(f, fd);
	(void)close(fd); /* only read */
	return r;
}

enum forward_line
forward_next(struct forward *f, struct address *a)
{
	while (f->at < f->len) {
		char *start = f->text + f->at;
		char *end = memchr(start, '\n', f->len - f->at);
		size_t len = end != NULL ? (size_t)(end - start) : f->len - f->at;

		f->at += len + (end != NULL);
		f->line++;
		while (len > 0 && memchr(" \t\r", start[len - 1], 3) != NULL)
			len--;
		while (len > 0 && (*start == ' ' || *start == '\t')) {
			start++;
			len--;
		}
		if (len == 0 || *start == '#')
			continue;
		return address_read(a, start, len) == len ? FORWARD_ADDRESS : FORWARD_BAD;
	}
	return FORWARD_END;
}
