/* postern init: a whole working tree, for one user or system-wide. */
#ifndef ADMIN_INIT_H
#define ADMIN_INIT_H

#include "admin/admin.h"

int init_tree(struct admin *a);

#endif
