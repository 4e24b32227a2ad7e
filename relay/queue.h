/*
 * One domain's queue, STATE/spool/DOMAIN, under its lock (flock on the file `lock`): the
 * names in it from the oldest on, one message at a time, finished or set aside. What
 * may lie there is listed in DESIGN.md.
 */
#ifndef RELAY_QUEUE_H
#define RELAY_QUEUE_H

#include <dirent.h>
#include <stdbool.h>
#include <time.h>

#include "base/envelope.h"
#include "base/limits.h"

/* A message with both its files open. */
struct queue_message {
	struct envelope e;
	int envelope_fd;  /* reads and writes; -1: nothing is open */
	int message_fd;   /* reads */
};

struct queue {
	int spool;                       /* held by the caller */
	char domain[LIMIT_NAME + 1];
	int dir, lock;
	DIR *scan;                       /* NULL: no reading under way */
	enum queue_turn {                /* whose turn it is (RFC 6710): once over the names each */
		TURN_RAISED,
		TURN_PLAIN,
		TURN_LOWERED,
	} turn;
	bool has_lowered;
	unsigned n, next;                /* of window */
	char (*window)[LIMIT_ID + 3];    /* "ID.e", allocated once; sorted */
	unsigned n_done;
	char done[LIMIT_QUEUE_BATCH][LIMIT_ID + 3]; /* "ID.m" of finished messages */
	bool unsynced;                   /* envelopes were removed, and that is not on disk */
	/* Told of what was no part of the queue and is set aside now; may be NULL. */
	void (*foreign)(struct queue *q, const char *name, const char *why);
	void *context;                   /* of foreign */
};

/* Once, before the first queue_open(). False: no memory. */
bool queue_init(struct queue *q, int spool);

enum queue_state {
	QUEUE_OPEN,
	QUEUE_BUSY,    /* another run has the lock */
	QUEUE_NONE,    /* there is no such directory */
	QUEUE_ERROR,   /* errno */
};
enum queue_state queue_open(struct queue *q, const char *domain);

/*
 * The name of the next envelope ("ID.e"), NULL at the end. A reading takes the directory
 * as it comes, LIMIT_QUEUE_WINDOW names at a time, each such window sorted from the
 * oldest to the youngest; first all with a priority over 0, the higher first, last those
 * with one under 0. It sets aside what is foreign, and removes messages without
 * envelope that a crash left 36 h ago.
 */
const char *queue_next(struct queue *q);

/*
 * When the domain's owner last asked for it, as the lock's file says; 0: never. And sets it;
 * what a crash leaves of that costs one run too many.
 */
time_t queue_asked(const struct queue *q);
void queue_set_asked(const struct queue *q, time_t when);

/* Begins anew. */
void queue_rewind(struct queue *q);

enum queue_loaded {
	QUEUE_LOADED,
	QUEUE_ASIDE,   /* it was damaged: set aside and told */
	QUEUE_SKIPPED, /* gone, or it cannot be read now: errno, 0 for gone */
};
/* Opens and reads both files of "ID.e" into m, and checks one against the other. */
enum queue_loaded queue_load(struct queue *q, const char *name, struct queue_message *m);

/* Closes what queue_load() opened. */
void queue_unload(struct queue_message *m);

/*
 * All recipients are done with: removes the envelope now, the message after the next
 * queue_sync(), which comes by itself every LIMIT_QUEUE_BATCH messages. 0 or -1.
 */
int queue_finish(struct queue *q, const struct queue_message *m);

/* What was finished is so after a loss of power, too. 0, or -1 with errno. */
int queue_sync(struct queue *q);

/* The directory's own time of change. */
struct queue_time {
	struct timespec at;
	bool fresh; /* of the tick in which it was read: a later change may have the same */
};

/*
 * Reads it anew. True when something was added since *last was read, or may have been; what was
 * read from then on is to be read again.
 */
bool queue_changed(const struct queue *q, struct queue_time *last);

/* Reads it where it is not fresh any more, for which it waits some milliseconds at most. */
void queue_settle(const struct queue *q, struct queue_time *last);

/* Opens (and makes) the file `retry`; -1 with errno. */
int queue_open_retry(const struct queue *q, bool make);

/* True when nothing but `lock` and `retry` is left, and the directory is gone now. */
bool queue_remove_empty(struct queue *q);

/* Gives the lock back. */
void queue_close(struct queue *q);

/*
 * Is name one that a queue's directory may have (name_queue())? And the domain it stands
 * for: %XX undone, so that a literal has its brackets. False where it is none.
 */
bool queue_is_domain(const char *name);
bool queue_domain(char out[LIMIT_DOMAIN + 3], const char *name);

#endif
