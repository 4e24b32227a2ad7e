/*
 * Messages of the queue, one after the other as the directories give them: nothing is
 * collected or sorted, so the first is there at once however many there are.
 */
#ifndef ADMIN_QUEUE_WALK_H
#define ADMIN_QUEUE_WALK_H

#include <stdbool.h>

#include "admin/admin.h"
#include "base/envelope.h"

/* A message at hand. */
struct queue_item {
	int spool;                 /* directories, held */
	int dir;
	const char *domain;        /* of the directory: A-labels, a literal with %XX */
	const char *name;          /* "ID.e" */
	int fd;                    /* the envelope, for reading and writing; -1: unread */
	struct envelope *e;        /* read from it */
};

/* What was asked for; see queue_select(). */
struct queue_choice {
	char domain[LIMIT_NAME + 1]; /* "" any */
	const char *sender;          /* an address, "@DOMAIN", or "<>"; NULL any */
	const char *recipient;
	char *const *ids;            /* n_ids = 0: any */
	unsigned n_ids;
};

/* From options and operands. DONE or told. */
int queue_select(struct queue_choice *c, const struct admin *a);

/* True when it says something, so that not just everything is meant. */
bool queue_is_choice(const struct queue_choice *c);

/*
 * Calls each() for what was chosen; its result other than DONE ends the walk. An
 * envelope that cannot be read is told and passed over. state is STATE.
 */
typedef int queue_each(struct queue_item *item, void *context);
int queue_walk(int state, const struct queue_choice *c, queue_each *each, void *context);

/* Every queue's directory: item has spool, dir and domain. */
int queue_walk_domains(int state, const struct queue_choice *c, queue_each *each,
                       void *context);

#endif
