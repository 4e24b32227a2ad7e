/*
 * See queue.h: what changes the queue. A mark in an envelope is one write, so it needs no
 * lock; a message is removed under its domain's lock, so that no runner sends it meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "admin/owner.h"
#include "admin/queue.h"
#include "admin/queue_walk.h"
#include "admin/say.h"
#include "base/helper.h"
#include "base/text.h"

/* A runner gives its lock back when it has nothing left to do for now. */
#define LOCK_TRIES 30 /* tenths of a second */

struct change {
	const struct admin *a;
	struct queue_choice choice;
	int (*apply)(struct change *c, struct queue_item *item);
	const char *done;           /* "held" */
	unsigned long n;
	char told[LIMIT_NAME + 1];  /* the last domain flush was told of */
};

/* Flush is told once a domain; where nobody listens its timer finds the mail. */
static void
tell_flush(struct change *c, const char *domain)
{
	struct helper_door door = { c->a->conf.flush_socket, -1 };

	if (strcmp(c->told, domain) == 0)
		return;
	(void)text_copy(c->told, sizeof c->told, domain); /* as long */
	helper_tell(&door, domain);
}

static int
hold(struct change *c, struct queue_item *item)
{
	if (item->e->hold)
		return DONE;
	c->n++;
	return envelope_hold(item->fd, item->e, true) == 0 ? DONE :
	       say_failed(errno, "%s", item->e->id);
}

/* All of it is due now, and its domain with it: without `retry` no backoff is known. */
static int
retry(struct change *c, struct queue_item *item)
{
	for (unsigned i = 0; i < item->e->n; i++) {
		struct envelope_to *to = &item->e->to[i];

		if ((to->state != ENVELOPE_TODO && to->state != ENVELOPE_HELD) || to->next == 0)
			continue;
		to->next = 0;
		if (envelope_mark(item->fd, to) == -1)
			return say_failed(errno, "%s", item->e->id);
	}
	if (unlinkat(item->dir, "retry", 0) == -1 && errno != ENOENT)
		return say_failed(errno, "spool/%s/retry", item->domain);
	c->n++;
	tell_flush(c, item->domain);
	return DONE;
}

static int
release(struct change *c, struct queue_item *item)
{
	if (!item->e->hold)
		return DONE;
	if (envelope_hold(item->fd, item->e, false) == -1)
		return say_failed(errno, "%s", item->e->id);
	return retry(c, item);
}

/* The domain's lock, or -1 (told). */
static int
lock_domain(const struct queue_item *item)
{
	const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };
	int fd = openat(item->dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	for (int i = 0; fd != -1 && i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		if (errno != EWOULDBLOCK && errno != EINTR)
			break;
		(void)nanosleep(&pause, NULL); /* shorter when a signal comes: harmless */
	}
	if (fd == -1 || errno != EWOULDBLOCK)
		(void)say_failed(errno, "spool/%s/lock", item->domain);
	else
		(void)say_refused("%s is being sent to at this moment: try again, or hold the "
		                  "message first", item->domain);
	if (fd != -1)
		(void)close(fd); /* nothing was written */
	return -1;
}

/* The envelope first: a message without one is a leftover, the other way it is damage. */
static int
remove_message(struct change *c, struct queue_item *item)
{
	char message[LIMIT_ID + 4];
	struct text t;
	int lock = lock_domain(item);
	int r = DONE;

	if (lock == -1)
		return TEMPORARY;
	text_init(&t, message, sizeof message);
	text_addn(&t, item->name, strlen(item->name) - 1);
	text_addc(&t, 'm');
	if (unlinkat(item->dir, item->name, 0) == 0)
		c->n++;
	else if (errno != ENOENT)
		r = say_failed(errno, "%s", item->e->id);
	if (r == DONE && (fsync(item->dir) == -1 ||
	                  (unlinkat(item->dir, message, 0) == -1 && errno != ENOENT)))
		r = say_failed(errno, "%s", item->e->id);
	(void)close(lock); /* gives it back */
	return r;
}

static int
change_item(struct queue_item *item, void *context)
{
	struct change *c = context;

	return c->apply(c, item);
}

static int
change_job(int state, void *arg, struct rows *out)
{
	struct change *c = arg;
	int r = queue_walk(state, &c->choice, change_item, c);

	(void)out;
	if (r == DONE && c->n == 0 && c->choice.n_ids > 0)
		r = say_refused("nothing to be %s: no such message, or it is so already", c->done);
	else
		say("%lu message%s %s\n", c->n, c->n == 1 ? "" : "s", c->done);
	if (fflush(stdout) == EOF && r == DONE)
		r = say_failed(errno, "writing the answer");
	return r;
}

static int
change(struct admin *a, int (*apply)(struct change *, struct queue_item *), const char *done)
{
	struct change c = { .a = a, .apply = apply, .done = done };
	int r = queue_select(&c.choice, a);

	if (r != DONE)
		return r;
	if (a->all == queue_is_choice(&c.choice))
		return say_misused("say which messages: ids, --sender, --recipient or --domain; or "
		                   "--all for every one");
	return owner_run(a->state, change_job, &c, NULL);
}

int
queue_hold(struct admin *a)
{
	return change(a, hold, "held");
}

int
queue_release(struct admin *a)
{
	return change(a, release, "released");
}

int
queue_retry(struct admin *a)
{
	return change(a, retry, "due now");
}

int
queue_remove(struct admin *a)
{
	return change(a, remove_message, "removed");
}
