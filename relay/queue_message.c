/*
 * See queue.h: one message, opened, set aside or finished. The order of removals is what
 * keeps every state on disk legal: an envelope goes before its message, and is gone for
 * good before.
 */
#include "relay/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "relay/queue_own.h"

/* Both files of a message; the envelope first, so that none is without its message. */
static void
set_message_aside(struct queue *q, const char *name, const char *why)
{
	char message[LIMIT_ID + 3], to[sizeof "bad/" + LIMIT_ID + 3];
	struct text t;

	queue_set_aside(q, name, why);
	queue_pair(message, name, 'm');
	text_init(&t, to, sizeof to);
	text_add(&t, "bad/");
	text_add(&t, message);
	(void)renameat(q->dir, message, q->dir, to); /* it may be what is missing */
}

/* NULL when the message belongs to the envelope. */
static const char *
check_message(const struct queue_message *m, const char *name)
{
	struct stat st;

	if (strncmp(m->e.id, name, strlen(name) - 2) != 0 || strlen(m->e.id) != strlen(name) - 2)
		return "the envelope of another message";
	if (fstat(m->message_fd, &st) == -1 || !S_ISREG(st.st_mode))
		return "its message is no file";
	return (uint64_t)st.st_size == m->e.size ? NULL : "its message has another size";
}

static enum queue_loaded
skip(struct queue_message *m, int err)
{
	queue_unload(m);
	errno = err;
	return QUEUE_SKIPPED;
}

enum queue_loaded
queue_load(struct queue *q, const char *name, struct queue_message *m)
{
	const char *why = NULL;
	char message[LIMIT_ID + 3];
	int r;

	m->message_fd = -1;
	m->envelope_fd = openat(q->dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (m->envelope_fd == -1 && errno != ELOOP && errno != EISDIR)
		return skip(m, errno == ENOENT ? 0 : errno);
	r = m->envelope_fd == -1 ? 0 : envelope_read(m->envelope_fd, &m->e, &why);
	if (r == -1 && errno != ESPIPE && errno != EINVAL)
		return skip(m, errno);
	if (r == 1) {
		queue_pair(message, name, 'm');
		m->message_fd = openat(q->dir, message, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (m->message_fd == -1 && errno != ENOENT && errno != ELOOP)
			return skip(m, errno);
		why = m->message_fd == -1 ? "its message is missing" : check_message(m, name);
	} else if (why == NULL) {
		why = "no file";
	}
	if (why == NULL)
		return QUEUE_LOADED;
	queue_unload(m);
	set_message_aside(q, name, why);
	return QUEUE_ASIDE;
}

void
queue_unload(struct queue_message *m)
{
	queue_close_fd(&m->envelope_fd);
	queue_close_fd(&m->message_fd);
}

int
queue_finish(struct queue *q, const struct queue_message *m)
{
	char name[LIMIT_ID + 3];
	struct text t;

	text_init(&t, name, sizeof name);
	text_add(&t, m->e.id);
	text_add(&t, ".e");
	if (unlinkat(q->dir, name, 0) == -1 && errno != ENOENT)
		return -1;
	q->unsynced = true;
	queue_pair(q->done[q->n_done++], name, 'm');
	return q->n_done < LIMIT_QUEUE_BATCH ? 0 : queue_sync(q);
}

int
queue_sync(struct queue *q)
{
	if (!q->unsynced)
		return 0;
	if (fsync(q->dir) == -1) {
		q->n_done = 0; /* the messages stay, and tidying finds them */
		return -1;
	}
	for (unsigned i = 0; i < q->n_done; i++)
		(void)unlinkat(q->dir, q->done[i], 0); /* a leftover is tidied in time */
	q->n_done = 0;
	q->unsynced = false;
	return 0;
}
