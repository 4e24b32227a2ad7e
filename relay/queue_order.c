/*
 * See queue.h: what lies in the directory, read so that each message has its turn. What
 * is no part of the queue is found here, too, and set aside or removed.
 */
#include "relay/queue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "relay/queue_own.h"

/* "ID.e" or "ID.m" with something that can be an id. */
static bool
is_named(const char *name, char letter)
{
	size_t len = strlen(name);

	if (len < 3 || len > LIMIT_ID + 2 || name[len - 2] != '.' || name[len - 1] != letter ||
	    name[0] == '.')
		return false;
	for (size_t i = 0; i < len - 2; i++)
		if (strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_",
		           name[i]) == NULL)
			return false;
	return true;
}

/* -- what is no part of it ---------------------------------------------------------------- */

void
queue_set_aside(struct queue *q, const char *name, const char *why)
{
	char to[sizeof "bad/" + LIMIT_NAME];
	struct log_line l;
	struct text t;
	bool moved;

	text_init(&t, to, sizeof to);
	text_add(&t, "bad/");
	text_add(&t, name);
	(void)mkdirat(q->dir, "bad", 0700); /* there already, or the next call fails */
	moved = text_ok(&t) && renameat(q->dir, name, q->dir, to) == 0;
	log_start(&l, "set-aside");
	log_field(&l, "domain", q->domain);
	log_field(&l, "file", name);
	log_field(&l, "what", why);
	if (!moved)
		log_field(&l, "error", strerror(errno));
	log_send(&l, LOG_LEVEL_ERROR);
	/* Told once: what stays would be found by each run. */
	if (moved && q->foreign != NULL)
		q->foreign(q, name, why);
}

/* When the message came, as its id says (job_make_id()); 0 where it does not. */
static time_t
time_of(const char *name)
{
	uint64_t n = 0;

	for (int i = 0; i < 8; i++) {
		const char *digits = "0123456789abcdef";
		const char *p = name[i] != '\0' ? strchr(digits, name[i]) : NULL;

		if (p == NULL)
			return 0;
		n = n << 4 | (uint64_t)(p - digits);
	}
	return (time_t)n;
}

/* ID.m whose envelope never came, since its maker was killed, is nobody's message. */
static void
look_after_message(struct queue *q, const char *name, time_t before)
{
	char envelope[LIMIT_ID + 3];
	struct log_line l;
	struct stat st;

	if (time_of(name) > before)
		return;
	queue_pair(envelope, name, 'e');
	if (faccessat(q->dir, envelope, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT ||
	    fstatat(q->dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1 || st.st_ctime > before ||
	    unlinkat(q->dir, name, 0) == -1)
		return;
	log_start(&l, "tidied");
	log_field(&l, "domain", q->domain);
	log_field(&l, "file", name);
	log_send(&l, LOG_LEVEL_INFO);
}

static bool
is_own(const char *name)
{
	return name[0] == '.' || strcmp(name, "lock") == 0 || strcmp(name, "retry") == 0 ||
	       strcmp(name, "bad") == 0;
}

/* -- reading ----------------------------------------------------------------------------- */

static int
by_turn(const void *a, const void *b)
{
	int first = envelope_name_priority(a), second = envelope_name_priority(b);

	/* Ids begin with the time. */
	return first != second ? second - first : strcmp(a, b);
}

static bool
open_scan(struct queue *q)
{
	int fd;

	if (q->scan != NULL)
		return true;
	fd = openat(q->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	q->scan = fd == -1 ? NULL : fdopendir(fd);
	if (q->scan == NULL) {
		log_error("read a queue", errno);
		queue_close_fd(&fd);
	}
	return q->scan != NULL;
}

/* An envelope's name: into the window when it is its turn. */
static void
take_name(struct queue *q, const char *name)
{
	int priority = envelope_name_priority(name);
	enum queue_turn turn = priority > 0 ? TURN_RAISED : priority == 0 ? TURN_PLAIN : TURN_LOWERED;

	q->has_lowered |= turn == TURN_LOWERED;
	if (turn == q->turn)
		(void)text_copy(q->window[q->n++], sizeof q->window[0], name); /* is_named() */
}

/* Whatever else lies there, looked at once in a reading. */
static void
take_other(struct queue *q, const char *name, time_t before)
{
	if (q->turn != TURN_RAISED)
		return;
	if (is_named(name, 'm'))
		look_after_message(q, name, before);
	else if (!is_own(name))
		queue_set_aside(q, name, "a file that does not belong into a queue");
}

/* The directory once more for who comes next. False: all have had their turn. */
static bool
next_turn(struct queue *q)
{
	if (q->turn == TURN_LOWERED || (q->turn == TURN_PLAIN && !q->has_lowered))
		return false;
	q->turn = q->turn == TURN_RAISED ? TURN_PLAIN : TURN_LOWERED;
	rewinddir(q->scan);
	return true;
}

/* The next names. False: there are no more. */
static bool
fill_window(struct queue *q)
{
	time_t before = time(NULL) - LIMIT_TMP_AGE;
	const struct dirent *e;

	q->n = q->next = 0;
	if (!open_scan(q))
		return false;
	do {
		while (q->n < LIMIT_QUEUE_WINDOW && (e = readdir(q->scan)) != NULL) {
			if (is_named(e->d_name, 'e'))
				take_name(q, e->d_name);
			else
				take_other(q, e->d_name, before);
		}
	} while (q->n == 0 && next_turn(q));
	qsort(q->window, q->n, sizeof q->window[0], by_turn);
	return q->n > 0;
}

const char *
queue_next(struct queue *q)
{
	if (q->next == q->n && !fill_window(q))
		return NULL;
	return q->window[q->next++];
}

void
queue_rewind(struct queue *q)
{
	if (q->scan != NULL)
		(void)closedir(q->scan);
	q->scan = NULL;
	q->n = q->next = 0;
	q->turn = TURN_RAISED;
	q->has_lowered = false;
}
