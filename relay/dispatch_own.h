/* What dispatch.c and dispatch_start.c share. */
#ifndef RELAY_DISPATCH_OWN_H
#define RELAY_DISPATCH_OWN_H

#include <dirent.h>
#include <signal.h>
#include <stdint.h>

#include "relay/dispatch.h"

struct runner_seat {
	pid_t pid;                   /* 0: nobody sits here */
	int control;
	bool busy, turned;           /* turned: with a customer's connection, not a domain */
	char domain[LIMIT_NAME + 1]; /* being run */
	char how[8];
	char id[LIMIT_ID + 1];
	unsigned tries;              /* that found another flush at it */
	uint64_t way;                /* way_number(), of the last domain */
	unsigned share;              /* of the connections to it, as the runner was told */
	pid_t spool;                 /* queues a report; 0 = none */
	int64_t spool_until;
	const char *spool_option;    /* of spool(8); NULL = none */
};

/* A domain that waits for a runner. */
struct pending {
	char domain[LIMIT_NAME + 1];
	char how[8];
	char id[LIMIT_ID + 1];       /* of who has asked, or "" */
	unsigned tries;
	uint64_t way;
	int64_t after;               /* clock_ms() */
};

/* A connection that was turned, and waits for a runner. */
struct turned {
	int conn;                    /* -1: none */
	char id[LIMIT_ID + 1];
	char client[64];             /* its address */
	char domains[LIMIT_ATRN + 1]; /* names of queues, a comma between them */
	int64_t until;               /* clock_ms(): given up then */
};

#define TURNED_MAX 32
#define PENDING_MAX 1024
/* A domain that another flush has is tried again so often. */
#define BUSY_TRIES 30

struct dispatch {
	const struct dispatch_setup *setup;
	struct helper_door router;
	DIR *scan;
	char scanned[LIMIT_NAME + 1]; /* read and not given away yet */
	bool scanned_due;
	uint64_t scanned_way;
	bool passed_over;             /* the scan met a domain that had to wait, and dropped it */
	int64_t scan_again;           /* clock_ms() */
	unsigned n_pending;
	struct pending pending[PENDING_MAX];
	unsigned n_turned;
	struct turned turned[TURNED_MAX];
	unsigned n_seats, n_busy;
	struct runner_seat seats[LIMIT_RUNNERS];
	pid_t tidier;                /* tidies STATE up; 0 = none */
	int64_t tidier_until;
	int64_t idle_since;
	int64_t stop_at;
	bool gone;                   /* the feed has ended */
	bool stop;                   /* SIGTERM came: nothing new is begun */
	sigset_t outside;
};

/* Twice the same is once; tries > 0: it was tried so often, and is for later. */
void dispatch_add(struct dispatch *d, const char *domain, const char *how, const char *id,
                  unsigned tries);
void dispatch_read_door(struct dispatch *d, int door);
void dispatch_read_feed(struct dispatch *d);
/* A connection, which is the dispatcher's from here on, and "turn ID CLIENT DOMAIN,DOMAIN". */
void dispatch_turn(struct dispatch *d, char *word, int conn);
/* The seat a turned connection may have now, or NULL: there is none, or none waits. */
struct runner_seat *dispatch_turn_seat(struct dispatch *d);
/* Gives the first that waits to the seat. False: logged, and the connection is closed. */
bool dispatch_give_turn(struct dispatch *d, struct runner_seat *s);
/* Those that have waited too long are closed. */
void dispatch_drop_turns(struct dispatch *d);

/* Begins to read the spool; the second does so where it is time to. */
void dispatch_scan(struct dispatch *d);
void dispatch_scan_again(struct dispatch *d);
/* A domain: domain, how, tries and way of s. False: there is none that may be run now. */
bool dispatch_take(struct dispatch *d, struct runner_seat *s);
/* dispatch_share.c: of one fixed hop's connections each runner that is at it has some. */
uint64_t dispatch_way(const struct dispatch *d, const char *domain);
bool dispatch_has_room(const struct dispatch *d, uint64_t way);
/* The seat for it: idle, best with connections to that hop. NULL: none is idle. */
struct runner_seat *dispatch_seat(struct dispatch *d, uint64_t way);
/* How many s may have, busy or about to be. */
unsigned dispatch_share(const struct dispatch *d, const struct runner_seat *s);
/* Tells those for whom that has changed. */
void dispatch_tell_shares(struct dispatch *d);

/* False: logged. */
bool dispatch_start_runner(struct dispatch *d, struct runner_seat *s);
/* end: the sender's of the boundary; closed here. */
void dispatch_start_sender(const struct dispatch *d, int end);
/* Leftovers in tmp/ and partial/, by a process that ends. A failure is logged. */
void dispatch_start_tidier(struct dispatch *d);
/* Both files are closed here. False: logged. */
bool dispatch_start_spool(const struct dispatch *d, struct runner_seat *s, int message,
                          int envelope);

#endif
