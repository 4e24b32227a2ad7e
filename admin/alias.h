/* postern alias add, list, remove: forward files. */
#ifndef ADMIN_ALIAS_H
#define ADMIN_ALIAS_H

#include "admin/admin.h"
#include "admin/box.h"

int alias_add(struct admin *a);
int alias_list(struct admin *a);
int alias_remove(struct admin *a);

/* Makes an alias with one target, for `init`. DONE or told. */
int alias_make(struct admin *a, const struct box *b, const char *target);

#endif
