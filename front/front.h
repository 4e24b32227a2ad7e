/*
 * The listening entrance: accepts connections and passes their descriptors on. The
 * front never reads an octet of a client. Sessions are forked ahead of need by a
 * process of their own (nursery.h); keepers are pooled (front.c).
 */
#ifndef FRONT_FRONT_H
#define FRONT_FRONT_H

#include <stdbool.h>

#include "base/conf.h"
#include "base/job.h"

#define FRONT_LISTENERS 32

struct listener {
	int fd;
	enum service service;
};

struct listeners {
	unsigned n;
	struct listener at[FRONT_LISTENERS];
};

/* What the program wires in: the two kinds of process the front starts. */
struct front_setup {
	struct conf *conf;               /* read anew from its file on SIGHUP */
	const struct listeners *listeners;
	bool may_idle_out;               /* somebody else holds the sockets */
	char **argv;                     /* to start afresh after a few deaths */
	/*
	 * Turns the caller into the ancestor of all sessions: unprivileged, and
	 * confined, but for the filter that spawn.h installs. Open are fd 2 (the log),
	 * NURSERY_QUEUE and NURSERY_CONTROL; the rest is to be closed.
	 */
	void (*become_nursery)(void);
	/*
	 * One session process: closes NURSERY_CONTROL, takes jobs from NURSERY_QUEUE until
	 * it is used up. Its filter it has inherited (spawn.h); an environment it has not.
	 */
	void (*run_session)(void);
	/* *conf has been read anew: what hangs on it in this process is done anew. */
	void (*configured)(void);
	/* One keeper: takes jobs from the socket, says FRONT_DONE after each. */
	void (*run_keeper)(int control);
};

/* Where the nursery and its sessions have their ends. */
#define NURSERY_QUEUE 3
#define NURSERY_CONTROL 4

/* A keeper's word to the front: this session has ended. */
#define FRONT_DONE 'd'
/* A session's: it can take one more connection (session-reuse only). */
#define FRONT_READY 'r'

/* Serves until SIGTERM, or until idle; returns the exit code. */
int front_run(const struct front_setup *setup);

#endif
