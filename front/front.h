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
#include "base/rewind.h"

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
	 * Confines the caller, which becomes the ancestor of all sessions: unprivileged, with
	 * /dev/null below SANDBOX_KEPT, and all but the filter that base/spawn.h installs.
	 * Higher descriptors stay.
	 */
	void (*become_nursery)(void);
	/*
	 * One session process: a job from ANCESTOR_JOBS, and returns; ends where there is none.
	 * Its filter it has inherited (base/spawn.h); an environment it has not.
	 */
	void (*run_session)(void);
	struct rewind_hot session_hot; /* what each of them writes to */
	/* Asked now and then: what sessions know by their nursery's fork is no longer so. */
	bool (*is_stale)(void);
	/* *conf has been read anew: what hangs on it in this process is done anew. */
	void (*configured)(void);
	/* One keeper: takes jobs from the socket, says FRONT_DONE after each. */
	void (*run_keeper)(int control);
};

/* A keeper's word to the front: this session has ended. */
#define FRONT_DONE 'd'

/* Serves until SIGTERM, or until idle; returns the exit code. */
int front_run(const struct front_setup *setup);

#endif
