/*
 * See maildir.h. `cur` is made last, after all else is on disk: so where cur/ is
 * seen, a crash can no longer lose the directories above new/.
 */
#include "keeper/maildir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "keeper/mailbox.h"

static int
make(int dir, const char *name)
{
	return mkdirat(dir, name, 0700) == -1 && errno != EEXIST ? -1 : 0;
}

static int
make_in(int box, int maildir)
{
	if (make(maildir, "tmp") == -1 || make(maildir, "new") == -1 ||
	    fsync(maildir) == -1 || fsync(box) == -1)
		return -1;
	return make(maildir, "cur");
}

static int
make_maildir(int state, const char *path)
{
	int box = mailbox_open(state, path, "", O_RDONLY | O_DIRECTORY);
	int maildir = -1;
	int r = -1;
	int err;

	if (box == -1)
		return -1;
	if (make(box, "Maildir") == 0)
		maildir = mailbox_open(state, path, "/Maildir", O_RDONLY | O_DIRECTORY);
	if (maildir != -1)
		r = make_in(box, maildir);
	err = errno;
	if (maildir != -1)
		(void)close(maildir); /* synced above */
	(void)close(box);
	errno = err;
	return r;
}

int
maildir_open_new(int state, const char *path)
{
	int fd = mailbox_open(state, path, "/Maildir/new", O_RDONLY | O_DIRECTORY);
	struct stat st;

	if (fd != -1 && fstatat(fd, "../cur", &st, AT_SYMLINK_NOFOLLOW) == 0)
		return fd;
	if (fd != -1)
		(void)close(fd); /* nothing written yet */
	else if (errno != ENOENT)
		return -1;
	if (make_maildir(state, path) == -1)
		return -1;
	return mailbox_open(state, path, "/Maildir/new", O_RDONLY | O_DIRECTORY);
}

void
maildir_add_size(struct text *t, uint64_t size)
{
	text_add(t, ",S=");
	text_addu(t, size);
}

void
maildir_name(char out[LIMIT_NAME + 1], const char *host, uint64_t size)
{
	struct timespec now;
	uint64_t random = 0;
	struct text t;

	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
	if (getrandom(&random, sizeof random, 0) != sizeof random)
		random = 0; /* time and process number are unique already */
	text_init(&t, out, LIMIT_NAME + 1);
	text_addu(&t, (uint64_t)now.tv_sec);
	text_add(&t, ".M");
	text_addu(&t, (uint64_t)now.tv_nsec / 1000);
	text_addc(&t, 'P');
	text_addu(&t, (uint64_t)getpid());
	text_addc(&t, 'R');
	text_addx(&t, random, 16);
	text_addc(&t, '.');
	/* A host name of 150 octets tells hosts apart as well as a longer one. */
	for (unsigned i = 0; i < 150 && host[i] != '\0'; i++)
		text_addc(&t, host[i]);
	maildir_add_size(&t, size);
}

static bool
has_in_cur(int state, const char *path, const char *name)
{
	int fd = mailbox_open(state, path, "/Maildir/cur", O_RDONLY | O_DIRECTORY);
	DIR *d = fd != -1 ? fdopendir(fd) : NULL;
	size_t len = strlen(name);
	const struct dirent *e;
	bool found = false;

	if (d == NULL) {
		if (fd != -1)
			(void)close(fd); /* only read */
		return false;
	}
	while (!found && (e = readdir(d)) != NULL)
		found = strncmp(e->d_name, name, len) == 0 &&
		        (e->d_name[len] == '\0' || e->d_name[len] == ':');
	(void)closedir(d);
	return found;
}

bool
maildir_has(int state, const char *path, const char *name)
{
	int new = mailbox_open(state, path, "/Maildir/new", O_RDONLY | O_DIRECTORY);
	struct stat st;
	bool found;

	if (new == -1)
		return false;
	found = fstatat(new, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	(void)close(new); /* only read */
	return found || has_in_cur(state, path, name);
}
