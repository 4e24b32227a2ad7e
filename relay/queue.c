/*
 * See queue.h. Called by the runner alone. The order of removals is what keeps every state
 * on disk legal: an envelope goes before its message, and is gone for good before.
 */
#include "relay/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/address.h"
#include "base/log.h"
#include "base/name.h"
#include "base/num.h"
#include "base/text.h"

#define LOCK_TRIES 5

bool
queue_init(struct queue *q, int spool)
{
	memset(q, 0, sizeof *q);
	q->spool = spool;
	q->dir = q->lock = -1;
	q->window = malloc(LIMIT_QUEUE_WINDOW * sizeof *q->window);
	return q->window != NULL;
}

/* -- names ------------------------------------------------------------------------------ */

bool
queue_is_domain(const char *name)
{
	char domain[LIMIT_DOMAIN + 3];

	return queue_domain(domain, name);
}

bool
queue_domain(char out[LIMIT_DOMAIN + 3], const char *name)
{
	struct text t;

	text_init(&t, out, LIMIT_DOMAIN + 3);
	for (const char *p = name; *p != '\0'; p++) {
		char octet;

		if ((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') ||
		    ((*p == '.' || *p == '-') && p > name)) {
			text_addc(&t, *p);
			continue;
		}
		if (!name_octet(&octet, p))
			return false;
		text_addc(&t, octet);
		p += 2;
	}
	return text_ok(&t) && t.len > 0 && is_address_safe("x", out) &&
	       (out[0] == '[') == (name[0] == '%');
}

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

/* The other file of the same message. */
static void
pair_of(char out[LIMIT_ID + 3], const char *name, char letter)
{
	(void)text_copy(out, LIMIT_ID + 3, name); /* is_named() has measured it */
	out[strlen(out) - 1] = letter;
}

/* -- open, lock, remove ------------------------------------------------------------------- */

static enum queue_state
take_lock(struct queue *q)
{
	struct stat st;

	q->lock = openat(q->dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (q->lock == -1)
		return errno == ENOENT ? QUEUE_NONE : QUEUE_ERROR;
	if (flock(q->lock, LOCK_EX | LOCK_NB) == -1)
		return errno == EWOULDBLOCK ? QUEUE_BUSY : QUEUE_ERROR;
	/* Who had it before may have removed it with the whole directory. */
	if (fstat(q->lock, &st) == -1)
		return QUEUE_ERROR;
	return st.st_nlink > 0 ? QUEUE_OPEN : QUEUE_NONE;
}

enum queue_state
queue_open(struct queue *q, const char *domain)
{
	enum queue_state state = QUEUE_NONE;

	if (!queue_is_domain(domain) || !text_copy(q->domain, sizeof q->domain, domain))
		return QUEUE_NONE;
	q->n = q->next = q->n_done = 0;
	q->unsynced = false;
	/* It may be removed and made again at any instant. */
	for (int i = 0; i < LOCK_TRIES && state == QUEUE_NONE; i++) {
		q->dir = openat(q->spool, domain, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (q->dir == -1)
			return errno == ENOENT ? QUEUE_NONE : QUEUE_ERROR;
		state = take_lock(q);
		if (state != QUEUE_OPEN) {
			int err = errno;

			queue_close(q);
			errno = err;
		}
	}
	return state;
}

static void
close_fd(int *fd)
{
	if (*fd != -1)
		(void)close(*fd); /* synced where it matters */
	*fd = -1;
}

void
queue_close(struct queue *q)
{
	queue_rewind(q);
	close_fd(&q->dir);
	close_fd(&q->lock);
}

time_t
queue_asked(const struct queue *q)
{
	char buf[24];
	ssize_t n = pread(q->lock, buf, sizeof buf - 1, 0);
	uint64_t when;

	if (n <= 0)
		return 0;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return parse_u64(buf, INT64_MAX, &when) ? (time_t)when : 0;
}

void
queue_set_asked(const struct queue *q, time_t when)
{
	char buf[24];
	struct text t;

	text_init(&t, buf, sizeof buf);
	text_addu(&t, (uint64_t)when);
	text_addc(&t, '\n');
	/* One write of one length: numbers of ten digits do for some centuries. */
	if (pwrite(q->lock, buf, t.len, 0) == -1)
		log_error("write a queue's lock", errno);
}

int
queue_open_retry(const struct queue *q, bool make)
{
	return openat(q->dir, "retry", O_RDWR | (make ? O_CREAT : 0) | O_NOFOLLOW | O_CLOEXEC,
	              0600);
}

static bool
is_empty(const struct queue *q)
{
	int fd = openat(q->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *e;
	bool empty = d != NULL;

	if (d == NULL) {
		close_fd(&fd);
		return false;
	}
	while (empty && (e = readdir(d)) != NULL)
		empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		        strcmp(e->d_name, "lock") == 0 || strcmp(e->d_name, "retry") == 0;
	(void)closedir(d);
	return empty;
}

bool
queue_remove_empty(struct queue *q)
{
	if (!is_empty(q))
		return false;
	/* Whatever comes in between finds no retry file, so it is due. */
	(void)unlinkat(q->dir, "retry", 0); /* may not be there */
	(void)unlinkat(q->dir, "lock", 0);
	return unlinkat(q->spool, q->domain, AT_REMOVEDIR) == 0;
}

bool
queue_changed(const struct queue *q, struct timespec *last)
{
	struct timespec before = *last;
	struct stat st;

	if (fstat(q->dir, &st) == -1)
		return false;
	*last = st.st_mtim;
	return before.tv_sec != last->tv_sec || before.tv_nsec != last->tv_nsec;
}

/* -- what is no part of it ------------------------------------------------------------------ */

static void
set_aside(struct queue *q, const char *name, const char *why)
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

/* Both files of a message; the envelope first, so that none is without its message. */
static void
set_message_aside(struct queue *q, const char *name, const char *why)
{
	char message[LIMIT_ID + 3], to[sizeof "bad/" + LIMIT_ID + 3];
	struct text t;

	set_aside(q, name, why);
	pair_of(message, name, 'm');
	text_init(&t, to, sizeof to);
	text_add(&t, "bad/");
	text_add(&t, message);
	(void)renameat(q->dir, message, q->dir, to); /* it may be what is missing */
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
	pair_of(envelope, name, 'e');
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

/* -- reading ------------------------------------------------------------------------------- */

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
		close_fd(&fd);
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
		set_aside(q, name, "a file that does not belong into a queue");
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

/* -- one message --------------------------------------------------------------------------- */

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
		pair_of(message, name, 'm');
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
	close_fd(&m->envelope_fd);
	close_fd(&m->message_fd);
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
	pair_of(q->done[q->n_done++], name, 'm');
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
