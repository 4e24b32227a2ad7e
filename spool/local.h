/*
 * How this process may hand in a message: by itself, when it is STATE's owner or root (who
 * becomes that owner), or through spool's socket, which knows who asks by SO_PEERCRED.
 */
#ifndef SPOOL_LOCAL_H
#define SPOOL_LOCAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/conf.h"
#include "base/helper.h"
#include "spool/order.h"
#include "spool/verdict.h"

struct local {
	struct conf conf;
	bool direct;
	uid_t uid;          /* ours, as it was at the start */
	int state, domains; /* held directories, when direct */
	int tmp;            /* STATE/tmp, after local_enter(); -1 when not direct */
	struct helper_door flush;
};

/*
 * Fills a door to flush, starting what it needs; set by the program, may be NULL: then
 * flush is told by its socket, or finds new mail by its timer.
 */
extern void (*local_open_flush)(const struct conf *c, struct helper_door *flush);

/* Reads the configuration and decides. False: v says what is wrong. */
bool local_open(struct local *l, const char *file, struct verdict *v);

/* Becomes who may, for good, and gives up the rest, before anything foreign is read. */
bool local_enter(struct local *l, struct verdict *v);

/* Hands in what fd holds, a regular file or memory. */
void local_submit(struct local *l, int fd, const struct order *o, struct verdict *v);

/* The configuration whose path is given, or $POSTERN_CONF, or the installed one. */
const char *local_file(const char *given);

#endif
