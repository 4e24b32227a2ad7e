/* Who runs this process, by /etc/passwd: no name service is linked into a static program. */
#ifndef SPOOL_PERSON_H
#define SPOOL_PERSON_H

#include <sys/types.h>

#include "base/limits.h"

struct person {
	char login[LIMIT_LOCAL + 1]; /* else $LOGNAME or $USER, else "uid1000" */
	char name[128];              /* the full name, or "" */
};

void person_find(struct person *p, uid_t uid);

#endif
