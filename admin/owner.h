/*
 * Whose files are touched decides as whom: `postern` started as root becomes the
 * owner of a directory of STATE, in a child process and for good, before it changes
 * or reads anything there. Started by anybody else it must be that owner.
 */
#ifndef ADMIN_OWNER_H
#define ADMIN_OWNER_H

#include <sys/types.h>

#include "admin/admin.h"
#include "admin/rows.h"

/* Opens STATE into a->state. DONE, or the exit code after telling why. */
int owner_open_state(struct admin *a);

/* Opens a directory of STATE, such as "mail". Its descriptor, or -1 (told). */
int owner_open(const struct admin *a, const char *name);

/*
 * Runs job(dir, arg, out) as the owner of dir and returns what it returned, an exit
 * code; what it added to out (may be NULL) is there afterwards, but nothing else that
 * it changed in memory: the job may have run in a process of its own.
 */
typedef int owner_job(int dir, void *arg, struct rows *out);
int owner_run(int dir, owner_job *job, void *arg, struct rows *out);

/* Waits up to ten seconds for other commands that change STATE. DONE or told. */
int owner_lock(int dir);

/* "postern" or "uid 990" into buf, for messages. */
const char *owner_name(uid_t uid, char buf[64]);

#endif
