/*
 * Files beneath STATE/auth: read whole, replaced whole. Who changes a verifier file
 * holds the lock of its domain's directory meanwhile.
 */
#ifndef AUTH_STORE_H
#define AUTH_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* First octets of temporary names; no login and no domain begins with a dot. */
#define STORE_NEW ".new."

/* A directory beneath `at`, no link followed: descriptor, or -1 with errno. */
int store_open(int at, const char *name);

/* Takes the lock of an open directory, for as long as that descriptor lives. 0 or -1. */
int store_lock(int dir);

/* A regular file of at most cap - 1 octets (EFBIG), NUL-ended; one with a NUL is EBADMSG. */
ssize_t store_read(int dir, const char *name, char *buf, size_t cap);

/*
 * Writes a whole file, mode 0600, on disk under its name when this returns 0. Without
 * `replace` a name that is taken is EEXIST.
 */
int store_write(int dir, const char *name, const char *text, bool replace);

#endif
