/*
 * See trim.h. flush's tidier calls this at each regular run. What it removes ends like a
 * transaction whose client was away for too long: MAIL begins it anew. Should a connection have
 * it still, its commit finds that KEY.p has no name any more (451).
 */
#include "relay/trim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/partial_dir.h"
#include "base/tidy.h"

/* What is over this number waits for the next run. */
#define HELD_MAX (2 * LIMIT_PARTIAL_ALL)

/* A message that waits: its data file. */
struct held {
	time_t at;             /* written to last */
	uint64_t octets;
	bool kept;             /* it may not go now, or has gone */
	char name[PARTIAL_NAME];
};

/* Those of one owner stand together, the oldest first. */
struct owner {
	struct held *first;
	unsigned n;            /* of held */
	uint64_t messages, octets;
};

static int
by_owner(const void *a, const void *b)
{
	const struct held *x = a, *y = b;
	int r = strncmp(x->name, y->name, PARTIAL_OWNER_KEY);

	if (r != 0)
		return r;
	return x->at < y->at ? -1 : x->at > y->at;
}

/*
 * Has a commit linked this message to where it goes? Then a mailbox or the queue has its octets
 * in any case, so to remove it here makes no room; and only what is known of it here keeps a
 * client whose commit was cut off from a second copy.
 */
static bool
is_linked(const struct stat *st)
{
	return st->st_nlink > 1;
}

static unsigned
read_held(int dir, struct held *held)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd != -1 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	struct stat st;
	unsigned n = 0;

	if (d == NULL && fd != -1)
		(void)close(fd); /* only read */
	while (d != NULL && n < HELD_MAX && (e = readdir(d)) != NULL) {
		if (partial_kind(e->d_name) != PARTIAL_DATA ||
		    fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
		    !S_ISREG(st.st_mode) || is_linked(&st))
			continue;
		(void)text_copy(held[n].name, PARTIAL_NAME, e->d_name); /* by its kind */
		held[n].at = st.st_mtime;
		held[n].kept = st.st_mtime > time(NULL) - LIMIT_PARTIAL_QUIET;
		held[n++].octets = (uint64_t)st.st_size;
	}
	if (d != NULL)
		(void)closedir(d);
	return n;
}

static unsigned
find_owners(struct held *held, unsigned n, struct owner *owners)
{
	unsigned k = 0;

	qsort(held, n, sizeof *held, by_owner);
	for (unsigned i = 0; i < n; i++) {
		if (i == 0 || strncmp(held[i - 1].name, held[i].name, PARTIAL_OWNER_KEY) != 0)
			owners[k++] = (struct owner){ .first = &held[i] };
		owners[k - 1].n++;
		owners[k - 1].messages++;
		owners[k - 1].octets += held[i].octets;
	}
	return k;
}

/* KEY.p, locked, as it is named now; -1: there is none (ENOENT), or somebody is at it. */
static int
lock_head(int dir, const char *head)
{
	int fd = openat(dir, head, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat at, named;

	if (fd == -1)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &at) == 0 &&
	    fstatat(dir, head, &named, AT_SYMLINK_NOFOLLOW) == 0 && at.st_ino == named.st_ino)
		return fd;
	(void)close(fd); /* only read */
	errno = EWOULDBLOCK;
	return -1;
}

/* All files of the transaction with this KEY.p; or, where they stay, whether one is linked. */
static bool
each_file(int dir, const char *head, bool remove)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd != -1 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	bool linked = d == NULL; /* nobody knows */
	struct stat st;

	if (d == NULL && fd != -1)
		(void)close(fd); /* only read */
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (strncmp(e->d_name, head, PARTIAL_KEY) != 0 ||
		    partial_kind(e->d_name) == PARTIAL_STRAY)
			continue;
		if (remove)
			tidy_remove(dir, e->d_name);
		else if (partial_kind(e->d_name) == PARTIAL_DATA)
			linked |= fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			          is_linked(&st);
	}
	if (d != NULL)
		(void)closedir(d);
	return linked;
}

/*
 * The transaction to which `name` belongs, KEY.p first, so whatever is left of its files after a
 * crash is found by nobody. The lock is a commit's, which links while it has it.
 */
static bool
remove_transaction(int dir, const char *name)
{
	char head[PARTIAL_NAME];
	bool stays;
	int lock;

	partial_head_name(head, name);
	lock = lock_head(dir, head);
	if (lock == -1 && errno != ENOENT)
		return false;
	stays = lock != -1 && each_file(dir, head, false);
	if (lock != -1 && !stays)
		tidy_remove(dir, head);
	if (!stays)
		(void)each_file(dir, head, true);
	if (lock != -1)
		(void)close(lock); /* lets go of it */
	return !stays;
}

/* The owner's oldest that may go. False: there is none. */
static bool
drop_oldest(int dir, struct owner *o)
{
	for (struct held *h = o->first; h < o->first + o->n; h++) {
		if (h->kept)
			continue;
		h->kept = true;
		if (!remove_transaction(dir, h->name))
			continue;
		o->messages--;
		o->octets -= h->octets;
		return true;
	}
	return false;
}

static bool
is_over(uint64_t messages, uint64_t octets, uint64_t most_messages, uint64_t most_octets)
{
	return messages > most_messages || (octets > most_octets && messages > 1);
}

/* Who has the most, among those of whom something may go. */
static struct owner *
find_largest(struct owner *owners, unsigned k)
{
	struct owner *largest = NULL;

	for (struct owner *o = owners; o < owners + k; o++) {
		bool any = false;

		for (unsigned i = 0; i < o->n; i++)
			any |= !o->first[i].kept;
		if (any && (largest == NULL || o->octets > largest->octets))
			largest = o;
	}
	return largest;
}

void
trim_partial(int dir)
{
	static struct held held[HELD_MAX];
	static struct owner owners[HELD_MAX];
	unsigned k = find_owners(held, read_held(dir, held), owners);
	struct owner all = { 0 }, *o;

	if (k == 0 || flock(dir, LOCK_EX | LOCK_NB) == -1)
		return; /* a keeper makes a new one: the next run comes soon */
	for (unsigned i = 0; i < k; i++) {
		o = &owners[i];
		while (is_over(o->messages, o->octets, LIMIT_PARTIAL_OWN,
		               LIMIT_PARTIAL_OWN_OCTETS) && drop_oldest(dir, o))
			continue;
		all.messages += o->messages;
		all.octets += o->octets;
	}
	while (is_over(all.messages, all.octets, LIMIT_PARTIAL_ALL, LIMIT_PARTIAL_ALL_OCTETS) &&
	       (o = find_largest(owners, k)) != NULL) {
		all.messages -= o->messages;
		all.octets -= o->octets;
		(void)drop_oldest(dir, o); /* else its files are as good as gone: kept */
		all.messages += o->messages;
		all.octets += o->octets;
	}
	(void)flock(dir, LOCK_UN); /* or its close does it */
}
