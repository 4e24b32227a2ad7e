/*
 * Mailbox directories beneath STATE: mail/DOMAIN/LOCAL. All opens stay beneath the
 * held STATE descriptor, follow no symbolic link and cross no mount (openat2(2)).
 */
#ifndef KEEPER_MAILBOX_H
#define KEEPER_MAILBOX_H

#include <stddef.h>

#include "base/limits.h"

/* "mail/", two names, "/", and the longest thing we open beneath. */
#define MAILBOX_PATH (sizeof "mail/" + 2 * (LIMIT_NAME + 1))

/* From names that name_domain() and name_mailbox() made. */
void mailbox_path(char out[MAILBOX_PATH], const char *domain, const char *name);

/*
 * Opens what `path` and `below` ("" or "/...") name beneath dir. -1 with errno:
 * ENOENT, ENOTDIR; ELOOP for a symbolic link; EXDEV for another filesystem.
 */
int mailbox_open(int dir, const char *path, const char *below, int flags);

#endif
