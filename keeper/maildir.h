/* Maildirs: mail/DOMAIN/LOCAL/Maildir/{tmp,new,cur}, made at the first delivery. */
#ifndef KEEPER_MAILDIR_H
#define KEEPER_MAILDIR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/text.h"

/*
 * Opens new/ of the mailbox at path beneath state, making what is missing, synced.
 * A descriptor, or -1 with errno (ENOENT: no such mailbox).
 */
int maildir_open_new(int state, const char *path);

/*
 * A name that no other delivery on this host has: SEC.M<usec>P<pid>R<random>.HOST,S=n.
 */
void maildir_name(char out[LIMIT_NAME + 1], const char *host, uint64_t size);

/* Its last part: ",S=n". */
void maildir_add_size(struct text *t, uint64_t size);

/*
 * Is a message of that name in new/ or cur/, where a reader may have moved it and put its
 * flags behind ":"? False for a mailbox without them.
 */
bool maildir_has(int state, const char *path, const char *name);

#endif
