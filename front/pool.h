/* Keepers that wait for work, and those that have some. */
#ifndef FRONT_POOL_H
#define FRONT_POOL_H

#include <stdbool.h>
#include <sys/types.h>

#include "front/front.h"

/* Idle keepers beyond so many are sent home. */
#define POOL_IDLE 16

struct pooled {
	int control;  /* the front's end; -1 = a free place */
	pid_t pid;
	int conn;     /* the connection it serves, -1 = idle */
	bool old;     /* of an earlier configuration: goes home when idle */
	int next;     /* of a list: idle or free places */
};

struct pool {
	int idle, free;   /* heads of lists, -1 = empty */
	unsigned n_idle;
	struct pooled at[LIMIT_CONNECTIONS];
};

void pool_init(struct pool *p);

/* A keeper for conn: an idle one, or a new one. Its place, or -1 with errno. */
int pool_take(struct pool *p, const struct front_setup *setup, int conn, bool *is_new);

/* It has ended its session: it waits for another, or is sent home. */
void pool_put_back(struct pool *p, int place);

/* It is gone: the place is free again. */
void pool_remove(struct pool *p, int place);

/* All idle ones go home now, the busy ones when they are done. */
void pool_retire(struct pool *p);

#endif
