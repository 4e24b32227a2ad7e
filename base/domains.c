/* See domains.h. Called by smtpd when it starts, and by the keeper for ETRN and ATRN. */
#include "base/domains.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/name.h"
#include "base/text.h"

#define SUFFIX ".conf"
/* Octets of a file that are looked at: no domain's comes near it. */
#define FILE_MAX 65536

bool
domains_open(struct domains *d, int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	d->dir = fd == -1 ? NULL : fdopendir(fd);
	if (d->dir == NULL && fd != -1)
		(void)close(fd); /* nothing was read */
	return d->dir != NULL;
}

/* "NAME.conf" with a name that a domain's mail would be looked up by. */
static bool
take_name(struct domains *d, const char *file)
{
	char canonical[LIMIT_NAME + 1];
	size_t len = strlen(file), end = strlen(SUFFIX);
	struct text t;

	if (len <= end || strcmp(file + len - end, SUFFIX) != 0)
		return false;
	text_init(&t, d->name, sizeof d->name);
	text_addn(&t, file, len - end);
	return text_ok(&t) && name_domain(canonical, d->name) && strcmp(canonical, d->name) == 0;
}

bool
domains_next(struct domains *d)
{
	const struct dirent *e;

	while ((e = readdir(d->dir)) != NULL)
		if (take_name(d, e->d_name))
			return true;
	return false;
}

void
domains_close(struct domains *d)
{
	(void)closedir(d->dir); /* only read */
	d->dir = NULL;
}

static bool
has_key(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *p = text; (p = strstr(p, key)) != NULL; p += len) {
		const char *start = p;

		while (start > text && (start[-1] == ' ' || start[-1] == '\t'))
			start--;
		if (start == text || start[-1] == '\n')
			return true;
	}
	return false;
}

bool
domains_mention(int dir, const char *name, const char *key)
{
	static char buf[FILE_MAX];
	char file[LIMIT_NAME + sizeof SUFFIX];
	ssize_t n = 0, len = 0;
	struct text t;
	int fd;

	text_init(&t, file, sizeof file);
	text_add(&t, name);
	text_add(&t, SUFFIX);
	fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd == -1)
		return false;
	while (len < FILE_MAX - 1 &&
	       (n = read(fd, buf + len, (size_t)(FILE_MAX - 1 - len))) > 0)
		len += n;
	(void)close(fd); /* only read */
	buf[len] = '\0';
	/* Cut off, or with a NUL in it: who wants to know reads it as a whole. */
	return len == FILE_MAX - 1 || strlen(buf) != (size_t)len || has_key(buf, key);
}

bool
domains_any_mention(int dir, const char *key)
{
	struct domains d;
	bool found = false;

	if (!domains_open(&d, dir))
		return false;
	while (!found && domains_next(&d))
		found = domains_mention(dir, d.name, key);
	domains_close(&d);
	return found;
}

int
domains_watch(const char *path)
{
	int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int err;

	if (watch == -1 ||
	    inotify_add_watch(watch, path, IN_CLOSE_WRITE | IN_MOVE | IN_DELETE | IN_ONLYDIR) != -1)
		return watch;
	err = errno;
	(void)close(watch); /* watches nothing */
	errno = err;
	return -1;
}

bool
domains_changed(int watch)
{
	/* What it was does not matter. */
	_Alignas(struct inotify_event) char events[4096];
	bool any = false;

	while (read(watch, events, sizeof events) > 0)
		any = true;
	return any;
}
