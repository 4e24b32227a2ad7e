/*
 * What the files of the front share: its state, and what each does for the others. The
 * loop is in front.c, sessions forked ahead in spares.c, connections in connection.c,
 * reload, stop and fresh start in change.c.
 */
#ifndef FRONT_STATE_H
#define FRONT_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdnoreturn.h>
#include <sys/types.h>

#include "front/front.h"
#include "front/nursery.h"
#include "front/pool.h"
#include "front/sources.h"

#define FRONT_BATCH 64 /* events, and connections accepted, at a time */

enum kind { LISTENER, WAITING, KEEPER, NURSERY, SIGNALS };

struct conn {
	bool used, kept;     /* kept: a keeper has boundary and connection */
	int boundary, fd;
	int place;           /* in sources */
	int64_t start;       /* clock_ms() */
	int next;            /* free place */
	struct job job;
};

struct front {
	const struct front_setup *setup;
	struct conf *conf;
	int epoll, signals;
	bool accepting, stopping, restarting;
	int64_t deadline;    /* of stopping or restarting */
	int64_t idle_since, last_sweep, last_refusal, last_shortage;
	unsigned n_conns, deaths, count, refusals;
	pid_t last_nursery;  /* the one before this, whose end is still to be seen */
	int held;            /* a connection for which no session can be ordered yet, or -1 */
	int free;
	struct nursery nursery;
	struct conn conns[LIMIT_CONNECTIONS];
	struct pool pool;
	struct sources sources;
};

/* epoll_ctl(2) with kind and index as the event's data. */
void front_watch(struct front *f, int op, int fd, uint32_t events, enum kind kind, int index);

/* Watches the listeners, or no longer. */
void front_accept(struct front *f, bool on);

/* Crashes: enough of them, and somebody is guessing at the memory's layout. */
void front_count_death(struct front *f, int sig);

/* Another nursery in the place of this one; -1: it cannot start, and all is as before. */
int spares_start(struct front *f);
void spares_on_nursery(struct front *f);

void connection_on_listener(struct front *f, int index);
/* A session that has no keeper yet has asked for something, or ended. */
void connection_on_boundary(struct front *f, int i);
void connection_on_keeper(struct front *f, int k);
/* There may be a session now for the connection that is held. */
void connection_retry(struct front *f);
/* From here on a keeper answers. */
void connection_attach(struct front *f, int i);
/* Of a connection without a keeper: its session has ended, or must. */
void connection_end(struct front *f, int i);
/* Its session will end. */
void connection_cut(const struct conn *c);

/* As many descriptors as the configuration needs. */
void change_file_limit(const struct front *f);
void change_reload(struct front *f);
void change_stop(struct front *f);
/* Executes the program anew, with the same sockets. */
noreturn void change_afresh(struct front *f);

#endif
