/*
 * See partial.h. Called by resume.c for one transaction. What it finds in partial/ is our
 * own, but may have been cut off by a crash: nothing is believed before it is read whole.
 */
#include "keeper/partial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "keeper/maildir.h"

void
partial_init(struct partial *p)
{
	memset(p, 0, sizeof *p);
	p->dir = p->fd = -1;
	message_init(&p->data);
}

void
partial_close(struct partial *p)
{
	message_leave(&p->data);
	if (p->fd != -1)
		(void)close(p->fd); /* what matters was synced */
	if (p->dir != -1)
		(void)close(p->dir); /* a directory, only read */
	partial_init(p);
}

int
partial_open(struct partial *p, int state, const char *owner, const char *helo,
             const char *transid)
{
	struct partial_file *f = &p->file;

	partial_init(p);
	if (!text_copy(f->owner, sizeof f->owner, owner) ||
	    !text_copy(f->helo, sizeof f->helo, helo) ||
	    !text_copy(f->transid, sizeof f->transid, transid)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	partial_key(p->key, owner, helo, transid);
	p->dir = openat(state, "partial", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return p->dir == -1 ? -1 : 0;
}

/* -- finding -------------------------------------------------------------------------- */

static int
lock(int fd)
{
	static const struct timespec pause = { .tv_nsec = 20000000 };
	int64_t end = clock_ms() + LIMIT_PARTIAL_LOCK;

	while (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		if (errno != EINTR && errno != EWOULDBLOCK)
			return -1;
		if (clock_ms() > end) {
			errno = EWOULDBLOCK;
			return -1;
		}
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}

/* Is the name still that of the file at fd? */
static bool
is_named(const struct partial *p, int fd)
{
	char name[PARTIAL_NAME];
	struct stat at, named;

	partial_name(name, p, "", ".p");
	return fstat(fd, &at) == 0 && fstatat(p->dir, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       at.st_ino == named.st_ino;
}

/* Opens and locks KEY.p as it is named now. -1 with errno. */
static int
open_locked(const struct partial *p)
{
	char name[PARTIAL_NAME];

	partial_name(name, p, "", ".p");
	for (;;) {
		int fd = openat(p->dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
		int err;

		if (fd == -1)
			return -1;
		if (lock(fd) == 0 && is_named(p, fd))
			return fd;
		err = errno;
		(void)close(fd); /* nothing written */
		if (err == EWOULDBLOCK) {
			errno = err;
			return -1;
		}
		/* Somebody has replaced it while we waited: again. */
	}
}

/* True when it is read, and of this very client and transaction. */
static bool
read_file(struct partial *p, int fd)
{
	char buf[PARTIAL_FILE + 1];
	struct partial_file f;
	const char *why = "longer than any";
	ssize_t n = pread(fd, buf, sizeof buf, 0);
	struct log_line l;

	if (n >= 0 && n <= PARTIAL_FILE) {
		buf[n] = '\0';
		if ((size_t)n == strlen(buf) && partial_file_parse(buf, &f, &why)) {
			bool same = strcmp(f.owner, p->file.owner) == 0 &&
			            strcmp(f.helo, p->file.helo) == 0 &&
			            strcmp(f.transid, p->file.transid) == 0;

			if (same)
				p->file = f;
			return same;
		}
	}
	log_start(&l, "partial-unreadable");
	log_field(&l, "key", p->key);
	log_field(&l, "what", why);
	log_send(&l, LOG_LEVEL_WARNING);
	return false;
}

enum partial_found
partial_find(struct partial *p)
{
	int fd = open_locked(p);

	if (fd == -1 && errno == ENOENT)
		return PARTIAL_NEW;
	if (fd == -1)
		return errno == EWOULDBLOCK ? PARTIAL_BUSY : PARTIAL_ERROR;
	p->fd = fd;
	if (read_file(p, fd))
		return PARTIAL_FOUND;
	partial_discard(p);
	return PARTIAL_NEW;
}

int
partial_envelope(const struct partial *p, struct envelope *e)
{
	char name[PARTIAL_NAME];
	const char *why;
	int fd, r;

	partial_name(name, p, p->file.id, ".e");
	fd = openat(p->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return errno == ENOENT ? 0 : -1;
	r = envelope_read(fd, e, &why);
	(void)close(fd); /* only read */
	return r;
}

/* -- making --------------------------------------------------------------------------- */

/* A file of p->file's text, under a name of its own; the caller's to rename. */
static int
write_file(struct partial *p, const char *name)
{
	char buf[PARTIAL_FILE + 1];
	struct text t;
	int fd;

	text_init(&t, buf, sizeof buf);
	partial_file_text(&t, &p->file);
	if (!text_ok(&t)) {
		errno = EINVAL;
		return -1;
	}
	fd = openat(p->dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		return -1;
	if (write(fd, buf, t.len) == (ssize_t)t.len && fsync(fd) == 0)
		return fd;
	(void)close(fd); /* a leftover is tidied up later */
	return -1;
}

/* p->file under KEY.p, in place of what may be there; all of it on disk. */
static int
replace_file(struct partial *p, const char *id)
{
	char new[PARTIAL_NAME], name[PARTIAL_NAME];
	int fd;

	partial_name(name, p, "", ".p");
	partial_name(new, p, id, ".n");
	fd = write_file(p, new);
	if (fd == -1)
		return -1;
	if (renameat(p->dir, new, p->dir, name) == -1 || fsync(p->dir) == -1) {
		int err = errno;

		(void)close(fd); /* not used; a leftover is tidied up later */
		errno = err;
		return -1;
	}
	if (p->fd != -1)
		(void)close(p->fd); /* the old one, and its lock */
	p->fd = fd;
	return 0;
}

bool
partial_enter(const struct partial *p)
{
	return lock(p->dir) == 0;
}

void
partial_leave(const struct partial *p)
{
	(void)flock(p->dir, LOCK_UN); /* held, or closed already */
}

int
partial_create(struct partial *p, const char *id, const char *host)
{
	char name[LIMIT_NAME + 1];
	struct partial_file *f = &p->file;
	char *size;

	maildir_name(name, host, 0);
	size = strrchr(name, ',');
	*size = '\0';
	(void)text_copy(f->name, sizeof f->name, name); /* all three are long enough */
	(void)text_copy(f->id, sizeof f->id, id);
	(void)text_copy(f->file, sizeof f->file, id);
	p->octets = p->canonical = 0;
	f->mark = (struct partial_mark){ .state = PARTIAL_RECEIVING, .boot = partial_boot() };
	partial_name(name, p, id, ".m");
	return message_create_named(&p->data, p->dir, name);
}

int
partial_publish(struct partial *p, const struct envelope *e)
{
	char name[PARTIAL_NAME];
	struct message file; /* the same steps as a message's: made, written, left */
	int r;

	partial_name(name, p, p->file.id, ".e");
	p->file.recipients = e->n;
	if (message_create_named(&file, p->dir, name) == -1)
		return -1;
	r = envelope_write(file.fd, e);
	message_leave(&file);
	return r == -1 ? -1 : replace_file(p, p->file.id);
}

int
partial_resume(struct partial *p, uint64_t trace, bool lines, const char *id)
{
	char old[PARTIAL_NAME];
	int r = 0;

	partial_name(old, p, p->file.file, ".m");
	p->resumed = true;
	p->again = p->file.mark.state == PARTIAL_COMMITTING;
	if (p->file.mark.state == PARTIAL_RECEIVING)
		r = partial_cut(p, trace, lines, id);
	else if (p->again)
		r = message_open_sealed(&p->data, p->dir, old);
	if (r == -1 || replace_file(p, id) == -1)
		return -1;
	p->octets = p->file.mark.octets;
	p->canonical = p->file.mark.canonical;
	if (p->data.name[0] != '\0' && strcmp(old, p->data.name) != 0)
		(void)unlinkat(p->dir, old, 0); /* copied; a leftover is tidied up later */
	return 0;
}

/* -- going on ------------------------------------------------------------------------- */

static int
write_mark(const struct partial *p)
{
	char buf[PARTIAL_MARK + 1];
	struct text t;

	text_init(&t, buf, sizeof buf);
	partial_mark_text(&t, &p->file.mark);
	if (pwrite(p->fd, buf, t.len, PARTIAL_MARK_AT) != (ssize_t)t.len)
		return -1;
	return fdatasync(p->fd);
}

bool
partial_note(struct partial *p, const struct message *m, uint64_t octets,
             uint64_t canonical)
{
	struct partial_mark *mark = &p->file.mark;
	struct stat st;

	if (octets < p->octets || canonical < p->canonical ||
	    fstat(m->read_fd, &st) == -1 || (uint64_t)st.st_size < octets)
		return false;
	p->octets = octets;
	p->canonical = canonical;
	/* A session can't have us sync more often than that. */
	if (canonical == 0 || (mark->octets != 0 &&
	                       octets - mark->octets < LIMIT_PARTIAL_STEP))
		return true;
	mark->octets = octets;
	mark->canonical = canonical;
	/* The mark says what is on disk: data first. */
	if (fdatasync(m->read_fd) == -1 || write_mark(p) == -1)
		log_error("sync a message that may be interrupted", errno);
	return true;
}

int
partial_lock(struct partial *p)
{
	if (lock(p->fd) == -1)
		return -1;
	return is_named(p, p->fd);
}

int
partial_set(struct partial *p, enum partial_state state)
{
	p->file.mark.state = state;
	p->file.mark.octets = p->octets;
	p->file.mark.canonical = p->canonical;
	return write_mark(p);
}

void
partial_drop_data(const struct partial *p)
{
	char name[PARTIAL_NAME];

	partial_name(name, p, p->file.file, ".m");
	(void)unlinkat(p->dir, name, 0); /* a leftover is tidied up later */
}

void
partial_discard(struct partial *p)
{
	char name[PARTIAL_NAME];

	if (p->fd == -1)
		return;
	/* Another connection's is not ours to remove. */
	if (lock(p->fd) == 0 && is_named(p, p->fd)) {
		partial_name(name, p, "", ".p");
		(void)unlinkat(p->dir, name, 0); /* a leftover means: to be resumed */
		if (p->file.file[0] != '\0') {
			partial_drop_data(p);
			partial_name(name, p, p->file.id, ".e");
			(void)unlinkat(p->dir, name, 0);
		}
	}
	(void)close(p->fd); /* removed */
	p->fd = -1;
	p->resumed = p->again = false;
	message_leave(&p->data);
}
