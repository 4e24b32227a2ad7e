/* Every mailbox and every verifier of STATE, one after the other. */
#ifndef ADMIN_WALK_H
#define ADMIN_WALK_H

#include "admin/box.h"
#include "admin/rows.h"

/*
 * Calls tell() with each mailbox or alias (directories that an address leads to) of
 * mail/, or of one domain (a name from name_domain()). DONE or told.
 */
typedef void walk_tell(int state, const struct box *b, struct rows *out);
int walk_boxes(int state, const char *domain, walk_tell *tell, struct rows *out);

/*
 * An owner_job for auth/: a row for each file: domain, name, "yes" where nobody may log
 * in for now, else "no". arg is not used.
 */
#define WALK_VERIFIER_COLUMNS 3
int walk_verifiers(int auth, void *arg, struct rows *out);

#endif
