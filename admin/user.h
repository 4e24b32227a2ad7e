/* postern user add, list, password, remove: mailboxes and their verifiers. */
#ifndef ADMIN_USER_H
#define ADMIN_USER_H

#include "admin/admin.h"
#include "admin/box.h"

int user_add(struct admin *a);
int user_list(struct admin *a);
int user_password(struct admin *a);
int user_remove(struct admin *a);

/*
 * Makes the mailbox, and its verifier from a prepared password unless that is NULL.
 * DONE, or an exit code after telling why. The caller holds the lock.
 */
int user_make(struct admin *a, const struct box *b, const char *password);

/* Gives an existing mailbox this password. DONE or told; under the lock too. */
int user_set_password(struct admin *a, const struct box *b, const char *password);

#endif
