/* See table.h. Opened before a process is confined; children inherit the mapping. */
#include "auth/table.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "auth/store.h"
#include "auth/throttle.h"
#include "base/log.h"
#include "base/text.h"

#define MAGIC "postern auth 1\n"
#define LOCK_TRIES 1000
#define LOCK_PAUSE_MS 2
#define BYTE 0 /* of the file, whose lock is the table's */

static int table_file = -1;

int
table_fd(void)
{
	return table_file;
}

/* Open file descriptions do not matter to these locks: the process is the holder. */
static int
set_lock(short type)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = BYTE, .l_len = 1 };

	return fcntl(table_file, F_SETLK, &l);
}

void
table_lock(void)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_MS * 1000000L };

	for (int i = 0; i < LOCK_TRIES && set_lock(F_WRLCK) == -1; i++)
		(void)nanosleep(&pause, NULL); /* shorter when a signal comes: harmless */
}

void
table_unlock(void)
{
	(void)set_lock(F_UNLCK); /* no lock is no harm: entries make sense one by one */
}

static struct table *
map(int fd)
{
	struct table *t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return t == MAP_FAILED ? NULL : t;
}

static void
fill_head(struct table *t, const unsigned char key[KEY_SIZE])
{
	unsigned char derived[KEY_SIZE];

	_Static_assert(sizeof t->head.key == crypto_shorthash_KEYBYTES, "siphash");
	memset(&t->head, 0, sizeof t->head);
	memcpy(t->head.magic, MAGIC, sizeof MAGIC);
	t->head.size = sizeof *t;
	key_derive(derived, key, "throttle", "");
	memcpy(t->head.key, derived, sizeof t->head.key);
	sodium_memzero(derived, sizeof derived);
}

static bool
is_ours(const struct table *t, const unsigned char key[KEY_SIZE])
{
	struct table *head = (struct table *)(void *)&(struct { char room[sizeof t->head]; }){ 0 };

	fill_head(head, key);
	return memcmp(&head->head, &t->head, sizeof t->head) == 0;
}

/* A new file under a name that nobody else has taken meanwhile. 0 or -1. */
static int
make_file(int auth, const unsigned char key[KEY_SIZE])
{
	char name[64];
	struct table *t;
	struct text text;
	uint64_t random;
	int fd, r;

	randombytes_buf(&random, sizeof random);
	text_init(&text, name, sizeof name);
	text_add(&text, STORE_NEW);
	text_addx(&text, random, 16);
	fd = openat(auth, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		return -1;
	/* Blocks, not a hole: a full disk must not be met in the middle of a mapping. */
	r = posix_fallocate(fd, 0, sizeof *t) == 0 ? 0 : -1;
	t = r == 0 ? map(fd) : NULL;
	if (t != NULL) {
		fill_head(t, key);
		(void)munmap(t, sizeof *t); /* ours and whole */
		r = linkat(auth, name, auth, THROTTLE_FILE, 0) == -1 && errno != EEXIST ? -1 : 0;
	}
	(void)unlinkat(auth, name, 0); /* a leftover is harmless; check names it */
	(void)close(fd);               /* the name leads to it */
	return t != NULL ? r : -1;
}

/* The file that is there: mapped; NULL with errno, EBADMSG when it is none of ours. */
static struct table *
map_file(int auth, const unsigned char key[KEY_SIZE])
{
	struct table *t = NULL;
	struct stat st;
	int err = EBADMSG;
	int fd = openat(auth, THROTTLE_FILE, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd == -1)
		return NULL;
	if (fstat(fd, &st) == -1 || (S_ISREG(st.st_mode) && st.st_size == sizeof *t &&
	                             (t = map(fd)) == NULL))
		err = errno;
	if (t != NULL && is_ours(t, key)) {
		table_file = fd;
		return t;
	}
	if (t != NULL)
		(void)munmap(t, sizeof *t); /* ours and whole */
	(void)close(fd); /* only looked at */
	errno = err;
	return NULL;
}

static struct table *
map_memory(const unsigned char key[KEY_SIZE])
{
	struct table *t;

	table_file = memfd_create("throttle", MFD_CLOEXEC);
	if (table_file == -1 || ftruncate(table_file, sizeof *t) == -1 ||
	    (t = map(table_file)) == NULL)
		return NULL;
	fill_head(t, key);
	return t;
}

struct table *
table_map(int auth, const unsigned char key[KEY_SIZE])
{
	struct table *t = NULL;

	for (int tries = 0; auth != -1 && t == NULL && tries < 3; tries++) {
		t = map_file(auth, key);
		if (t == NULL && (errno == EBADMSG || errno == ELOOP)) {
			log_notice("auth/" THROTTLE_FILE " is damaged, or of another server key: "
			           "set aside, failures are counted anew");
			(void)renameat(auth, THROTTLE_FILE, auth, THROTTLE_SET_ASIDE);
			errno = ENOENT;
		}
		if (t == NULL && (errno != ENOENT || make_file(auth, key) == -1))
			break;
	}
	if (t != NULL)
		return t;
	if (auth != -1)
		log_error("auth/" THROTTLE_FILE ": failures are counted in memory", errno);
	return map_memory(key);
}
