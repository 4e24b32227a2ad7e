/* See slots.h. Called around every argon2id run of a client's. */
#include "auth/slots.h"

#include <fcntl.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"

/* Behind anything the file holds: a lock needs no octet. */
#define FIRST ((off_t)1 << 30)
#define PAUSE_MS 10

static int
set_lock(int fd, int slot, short type)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = FIRST + slot,
	                   .l_len = 1 };

	return fcntl(fd, F_SETLK, &l);
}

int
slots_take(int fd)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
	int64_t end = clock_ms() + LIMIT_HASHES_WAIT;

	do {
		for (int i = 0; i < LIMIT_HASHES; i++)
			if (set_lock(fd, i, F_WRLCK) == 0)
				return i;
		(void)nanosleep(&pause, NULL); /* shorter when a signal comes: harmless */
	} while (clock_ms() < end);
	return -1;
}

void
slots_give(int fd, int slot)
{
	(void)set_lock(fd, slot, F_UNLCK); /* the end of the process gives it back, too */
}
