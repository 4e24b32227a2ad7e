/* See message.h. Who may call what when is the business of keeper.c. */
#include "keeper/message.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

/* "/proc/self/fd/N", the way to link or reopen a file without a name (open(2)). */
static void
proc_path(char out[32], int fd)
{
	struct text t;

	text_init(&t, out, 32);
	text_add(&t, "/proc/self/fd/");
	text_addu(&t, (uint64_t)fd);
}

void
message_init(struct message *m)
{
	m->fd = m->read_fd = m->dir = -1;
	m->name[0] = '\0';
}

static int
close_keeping_errno(int fd)
{
	int err = errno;

	(void)close(fd); /* the caller reports what failed before */
	errno = err;
	return -1;
}

static int
create_unnamed(struct message *m, int dir)
{
	char path[32];
	int fd = openat(dir, ".", O_TMPFILE | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);

	if (fd == -1)
		return -1;
	proc_path(path, fd);
	m->read_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (m->read_fd == -1)
		return close_keeping_errno(fd);
	m->fd = fd;
	return 0;
}

static int
open_named(struct message *m, int dir, const char *name, int flags)
{
	int fd;

	if (!text_copy(m->name, sizeof m->name, name)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = openat(dir, name, flags | O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		return -1;
	m->read_fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (m->read_fd == -1) {
		(void)close_keeping_errno(fd);
		if (flags & O_CREAT) {
			int err = errno;

			(void)unlinkat(dir, name, 0); /* a leftover is tidied up later */
			errno = err;
		}
		return -1;
	}
	m->fd = fd;
	m->dir = dir;
	return 0;
}

int
message_create(struct message *m, int dir, const char *name)
{
	message_init(m);
	if (create_unnamed(m, dir) == 0)
		return 0;
	/* No O_TMPFILE on this filesystem, or no /proc to link through. */
	if (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT || errno == EACCES)
		return message_create_named(m, dir, name);
	return -1;
}

int
message_create_named(struct message *m, int dir, const char *name)
{
	message_init(m);
	return open_named(m, dir, name, O_CREAT | O_EXCL);
}

int
message_reopen(struct message *m, int dir, const char *name)
{
	message_init(m);
	return open_named(m, dir, name, 0);
}

int
message_open_sealed(struct message *m, int dir, const char *name)
{
	message_init(m);
	if (!text_copy(m->name, sizeof m->name, name)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	m->read_fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	m->dir = dir;
	return m->read_fd == -1 ? -1 : 0;
}

int
message_seal(struct message *m, uint64_t *size)
{
	struct stat st;

	if (m->fd != -1)
		(void)close(m->fd); /* fsync on read_fd tells what close would */
	m->fd = -1;
	/*
	 * Granted only when no writer is left; held until the file is discarded. Who
	 * opens it to write before that waits for us and sends SIGIO, which is ignored.
	 */
	if (fcntl(m->read_fd, F_SETLEASE, F_RDLCK) == -1 || fstat(m->read_fd, &st) == -1)
		return -1;
	*size = (uint64_t)st.st_size;
	return 0;
}

int
message_sync(struct message *m)
{
	return fsync(m->read_fd);
}

int
message_link(const struct message *m, int dir, const char *name)
{
	char path[32];

	if (m->name[0] != '\0')
		return linkat(m->dir, m->name, dir, name, 0);
	proc_path(path, m->read_fd);
	return linkat(AT_FDCWD, path, dir, name, AT_SYMLINK_FOLLOW);
}

void
message_leave(struct message *m)
{
	if (m->fd != -1)
		(void)close(m->fd); /* who needs it on disk has synced it */
	if (m->read_fd != -1)
		(void)close(m->read_fd);
	message_init(m);
}

void
message_discard(struct message *m)
{
	if (m->name[0] != '\0' && m->read_fd != -1)
		(void)unlinkat(m->dir, m->name, 0); /* a leftover is tidied up later */
	message_leave(m);
}
