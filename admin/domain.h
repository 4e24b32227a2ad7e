/* postern domain add, list, show, remove: the files domains/NAME.conf. */
#ifndef ADMIN_DOMAIN_H
#define ADMIN_DOMAIN_H

#include "admin/admin.h"

int domain_add(struct admin *a);
int domain_list(struct admin *a);
int domain_show(struct admin *a);
int domain_remove(struct admin *a);

/*
 * Writes NAME.conf into the held directory. DONE; REFUSED without a word where it is
 * there already; or told. name comes from name_domain().
 */
int domain_write(int domains, const char *name);

/* NAME out of "NAME.conf"; false where that file is no domain's. */
bool domain_of_file(char name[LIMIT_NAME + 1], const char *file);

#endif
