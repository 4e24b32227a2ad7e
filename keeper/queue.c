/*
 * See queue.h. Order: message's name, then the envelope's, which is on disk itself before
 * it is named. A crash between the two leaves an ID.m alone, which flush removes.
 */
#include "keeper/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper/mailbox.h"

#define TRIES 5 /* flush may remove an empty directory each time */

struct entry {
	char message[LIMIT_NAME + 1], envelope[LIMIT_NAME + 1];
};

static void
name_entry(struct entry *n, const char *id)
{
	struct text t;

	/* An id is LIMIT_ID octets at most: both fit. */
	text_init(&t, n->message, sizeof n->message);
	text_add(&t, id);
	text_add(&t, ".m");
	text_init(&t, n->envelope, sizeof n->envelope);
	text_add(&t, id);
	text_add(&t, ".e");
}

/* spool/DOMAIN, made and its own name synced where it is not there. */
static int
open_domain(int state, const char *path)
{
	int fd = mailbox_open(state, path, "", O_RDONLY | O_DIRECTORY);
	int spool, r;

	if (fd != -1 || errno != ENOENT)
		return fd;
	spool = mailbox_open(state, "spool", "", O_RDONLY | O_DIRECTORY);
	if (spool == -1)
		return -1;
	r = mkdirat(spool, path + strlen("spool/"), 0700);
	if ((r == 0 || errno == EEXIST) && fsync(spool) == 0)
		fd = mailbox_open(state, path, "", O_RDONLY | O_DIRECTORY);
	r = errno;
	(void)close(spool); /* synced */
	errno = r;
	return fd;
}

/* Links the message; ENOENT: flush has just removed the directory. */
static int
link_message(int state, const char *path, const struct message *m, const char *name,
             bool again)
{
	for (int i = 0; i < TRIES; i++) {
		int dir = open_domain(state, path);
		int err;

		if (dir != -1 && (message_link(m, dir, name) == 0 || (again && errno == EEXIST)))
			return dir;
		err = errno;
		if (dir != -1)
			(void)close(dir); /* nothing written */
		errno = err;
		if (err != ENOENT)
			break;
	}
	return -1;
}

static int
put_envelope(int tmp, int dir, const char *name, const struct envelope *e)
{
	struct message file; /* the same steps as a message's: made, written, linked */
	int r = -1;
	int err;

	if (message_create(&file, tmp, name) == 0 && envelope_write(file.fd, e) == 0)
		r = message_link(&file, dir, name);
	err = errno;
	message_discard(&file);
	errno = err;
	return r;
}

int
queue_put(int state, int tmp, const char *path, const struct message *m,
          const struct envelope *e, bool again, int *dir)
{
	struct entry n;
	int err;

	name_entry(&n, e->id);
	*dir = link_message(state, path, m, n.message, again);
	if (*dir == -1)
		return -1;
	if (put_envelope(tmp, *dir, n.envelope, e) == 0 || (again && errno == EEXIST))
		return 0;
	err = errno;
	(void)unlinkat(*dir, n.message, 0); /* a leftover is flush's to remove */
	(void)close(*dir);
	*dir = -1;
	errno = err;
	return -1;
}

void
queue_take_back(int dir, const char *id)
{
	struct entry n;

	name_entry(&n, id);
	(void)unlinkat(dir, n.envelope, 0); /* flush may have sent it: the client may again */
	(void)unlinkat(dir, n.message, 0);
}
