/*
 * See queue.h: the directory, its lock, its time, its end. Called by the runner alone. What
 * is in it goes by turn in queue_order.c, and each message in queue_message.c.
 */
#include "relay/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/address.h"
#include "base/log.h"
#include "base/name.h"
#include "base/num.h"
#include "base/text.h"
#include "relay/queue_own.h"

#define LOCK_TRIES 5
#define TICK_NS 10000000
#define SETTLE_TRIES 5
#define SETTLE_MS 3

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

void
queue_pair(char out[LIMIT_ID + 3], const char *name, char letter)
{
	(void)text_copy(out, LIMIT_ID + 3, name); /* the caller has measured it */
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

void
queue_close_fd(int *fd)
{
	if (*fd != -1)
		(void)close(*fd); /* synced where it matters */
	*fd = -1;
}

void
queue_close(struct queue *q)
{
	queue_rewind(q);
	queue_close_fd(&q->dir);
	queue_close_fd(&q->lock);
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
		queue_close_fd(&fd);
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

/*
 * The kernel takes a file's time from a clock that moves on with its ticks, of at most 10 ms. A
 * time far ahead of it is of a clock that was set back since, and says nothing of that kind.
 */
static bool
is_fresh(const struct timespec *t)
{
	struct timespec now;
	int64_t ns;

	(void)clock_gettime(CLOCK_REALTIME_COARSE, &now); /* cannot fail */
	if (t->tv_sec < now.tv_sec - 1 || t->tv_sec > now.tv_sec + 1)
		return false;
	ns = (int64_t)(t->tv_sec - now.tv_sec) * 1000000000 + (t->tv_nsec - now.tv_nsec);
	return ns >= 0 && ns < TICK_NS;
}

void
queue_settle(const struct queue *q, struct queue_time *last)
{
	(void)queue_changed(q, last); /* as it is now */
	/* While mail comes in at every tick there is no such moment. */
	for (int i = 0; i < SETTLE_TRIES && last->fresh; i++) {
		(void)poll(NULL, 0, SETTLE_MS); /* an early end is one try less */
		(void)queue_changed(q, last);
	}
}

bool
queue_changed(const struct queue *q, struct queue_time *last)
{
	struct queue_time before = *last;
	struct stat st;

	if (fstat(q->dir, &st) == -1)
		return false;
	last->at = st.st_mtim;
	last->fresh = is_fresh(&last->at);
	return before.fresh || before.at.tv_sec != last->at.tv_sec ||
	       before.at.tv_nsec != last->at.tv_nsec;
}
