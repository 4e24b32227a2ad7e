/* postern user ...: mailboxes and their verifiers. */
#ifndef ADMIN_USER_H
#define ADMIN_USER_H

#include "admin/admin.h"
#include "admin/box.h"

int user_add(struct admin *a);
int user_list(struct admin *a);
int user_password(struct admin *a);
int user_remove(struct admin *a);
int user_disable(struct admin *a);
int user_enable(struct admin *a);
int user_certificate(struct admin *a);

/* The mailbox typed as the first operand, which is there. DONE, or told. */
int user_open(struct admin *a, struct box *b);

/*
 * Makes the mailbox, and its verifier from a prepared password unless that is NULL.
 * DONE, or an exit code after telling why. The caller holds the lock.
 */
int user_make(struct admin *a, const struct box *b, const char *password);

/* Gives an existing mailbox this password. DONE or told; under the lock too. */
int user_set_password(struct admin *a, const struct box *b, const char *password);

#endif
