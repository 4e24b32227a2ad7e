/* See mailbox.h. */
#include "keeper/mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"

void
mailbox_path(char out[MAILBOX_PATH], const char *domain, const char *name)
{
	struct text t;

	text_init(&t, out, MAILBOX_PATH);
	text_add(&t, "mail/");
	text_add(&t, domain);
	text_addc(&t, '/');
	text_add(&t, name);
}

/* One step down: no symbolic link, no other filesystem. */
static int
open_step(int dir, const char *name, int flags, dev_t dev)
{
	struct stat st;
	int fd = openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC);

	if (fd == -1) {
		/* With O_DIRECTORY a symbolic link shows as ENOTDIR. */
		if (errno == ENOTDIR && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			errno = S_ISLNK(st.st_mode) ? ELOOP : ENOTDIR;
		return -1;
	}
	/* Only of directories: overlayfs shows files under other numbers. */
	if (fstat(fd, &st) == 0 && (st.st_dev == dev || !S_ISDIR(st.st_mode)))
		return fd;
	(void)close(fd); /* not used */
	errno = EXDEV;
	return -1;
}

/*
 * What openat2 does, step by step: for kernels before 5.6, and where a seccomp filter
 * takes openat2 away (systemd's RestrictSUIDSGID=).
 */
static int
open_by_steps(int dir, char *path, int flags)
{
	struct stat top;
	int at = dir;

	if (fstat(dir, &top) == -1)
		return -1;
	for (;;) {
		char *slash = strchr(path, '/');
		int fd, err;

		if (slash != NULL)
			*slash = '\0';
		fd = open_step(at, path, slash != NULL ? O_PATH | O_DIRECTORY : flags, top.st_dev);
		err = errno;
		if (at != dir)
			(void)close(at); /* a directory, O_PATH */
		errno = err;
		if (fd == -1 || slash == NULL)
			return fd;
		at = fd;
		path = slash + 1;
	}
}

int
mailbox_open(int dir, const char *path, const char *below, int flags)
{
	struct open_how how = {
		.flags = (unsigned)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	char full[MAILBOX_PATH + LIMIT_NAME];
	struct text t;
	int fd;

	text_init(&t, full, sizeof full);
	text_add(&t, path);
	text_add(&t, below);
	if (!text_ok(&t)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = (int)syscall(SYS_openat2, dir, full, &how, sizeof how);
	return fd == -1 && errno == ENOSYS ? open_by_steps(dir, full, flags) : fd;
}
