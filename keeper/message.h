/*
 * The message file: written once by the session through a descriptor that can only
 * append, sealed, synced, then linked wherever it goes.
 */
#ifndef KEEPER_MESSAGE_H
#define KEEPER_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"

struct message {
	int fd;       /* appends; the session gets a copy; -1 once sealed */
	int read_fd;  /* reads, syncs and links; -1 = there is no message */
	int dir;      /* of a named file */
	char name[LIMIT_NAME + 1]; /* "" while the file has no name (O_TMPFILE) */
};

void message_init(struct message *m);

/*
 * Makes an empty file in the directory dir: without a name where the filesystem and
 * /proc allow it, else under `name`. 0, or -1 with errno.
 */
int message_create(struct message *m, int dir, const char *name);

/*
 * The same for a file that has its name from the start, so that a later process can
 * go on with it; and opens such a file again, to append. 0, or -1 with errno.
 */
int message_create_named(struct message *m, int dir, const char *name);
int message_reopen(struct message *m, int dir, const char *name);

/* Opens such a file that is whole, to link it: message_link() and message_sync() alone. */
int message_open_sealed(struct message *m, int dir, const char *name);

/*
 * No writer is left from here on, and none can come back: 0 and *size. -1 with
 * errno EAGAIN when somebody still holds the file open for writing (found by
 * taking a read lease, fcntl(2) F_SETLEASE), or another errno.
 */
int message_seal(struct message *m, uint64_t *size);

/* The data and the size are on disk. 0, or -1 with errno. */
int message_sync(struct message *m);

/* A further name for the file: "name" in the directory dir. 0, or -1 with errno. */
int message_link(const struct message *m, int dir, const char *name);

/* Closes; the name of a named file stays. */
void message_leave(struct message *m);

/* Closes; removes the name a file had while it was written. Links stay. */
void message_discard(struct message *m);

#endif
