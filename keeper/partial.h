/*
 * STATE/partial: transactions that may be interrupted and taken up again (RFC 1845). Three
 * files each, whose names begin with the same KEY, made from who the client is:
 *
 *	KEY.p      what is known (partial_file.h); its name is the transaction
 *	KEY.ID.m   the message so far, as it will lie in mailboxes
 *	KEY.ID.e   sender and recipients (base/envelope.h)
 *
 * Two connections may want the same transaction. Who takes it up replaces KEY.p by a file of
 * its own, so whoever had it before finds at its commit that it has not any more. Commits and
 * takeovers exclude each other by flock(2) on KEY.p.
 */
#ifndef KEEPER_PARTIAL_H
#define KEEPER_PARTIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/envelope.h"
#include "base/partial_dir.h"
#include "keeper/message.h"
#include "keeper/partial_file.h"

struct partial {
	int dir;                /* STATE/partial; -1: nothing is kept */
	int fd;                 /* KEY.p, ours once it is made or taken; else -1 */
	bool resumed;           /* it was there before */
	bool again;             /* a commit of it was begun before */
	char key[PARTIAL_KEY + 1];
	struct partial_file file;
	uint64_t octets, canonical; /* as in its mark, but as far as the session has told */
	struct message data;    /* KEY.ID.m, open, until the caller takes it over */
};

void partial_init(struct partial *p);

/*
 * The transaction of owner, helo and transid (all of which fit into a struct partial_file)
 * beneath state. 0, or -1 with errno.
 */
int partial_open(struct partial *p, int state, const char *owner, const char *helo,
                 const char *transid);

/* Closes all; what is on disk stays. */
void partial_close(struct partial *p);

enum partial_found {
	PARTIAL_NEW,   /* nothing is there, or nothing that can be used */
	PARTIAL_FOUND, /* p->file is filled, p->fd locked until partial_resume() */
	PARTIAL_BUSY,  /* another connection is committing it */
	PARTIAL_ERROR, /* errno */
};
enum partial_found partial_find(struct partial *p);

/* 1: e is filled; 0: there is none that can be read; -1: errno. */
int partial_envelope(const struct partial *p, struct envelope *e);

/*
 * Takes over what partial_find() found: on return it is this connection's. trace: octets of
 * the data file before the message; lines: it has lines, so the offset is at the start of
 * one. id is new. p->file.mark says how far it goes; while receiving, p->data is open for
 * the rest, its octets on disk. 0, or -1 with errno (ENOENT: the data is gone).
 */
int partial_resume(struct partial *p, uint64_t trace, bool lines, const char *id);

/* Would a message of `size` octets (0: not said) be within the limits of partial/? */
bool partial_has_room(const struct partial *p, uint64_t size);

/* Around what makes a new transaction: one at a time. False: it takes too long. */
bool partial_enter(const struct partial *p);
void partial_leave(const struct partial *p);

/* Makes the data file of a new transaction, p->data. 0, or -1 with errno. */
int partial_create(struct partial *p, const char *id, const char *host);

/* After something was written there: the other two files, synced. 0, or -1 with errno. */
int partial_publish(struct partial *p, const struct envelope *e);

/*
 * `octets` of the data file are `canonical` ones of the message: remembered, and every
 * LIMIT_PARTIAL_STEP octets put on disk. False for what can't be. An error of the disk is
 * logged.
 */
bool partial_note(struct partial *p, const struct message *m, uint64_t octets,
                  uint64_t canonical);

/*
 * For the commit. 1: it is ours, and locked until partial_close(); 0: another connection
 * has taken it over; -1: errno.
 */
int partial_lock(struct partial *p);

/* Writes the state, and with it how far the message goes; synced. 0, or -1 with errno. */
int partial_set(struct partial *p, enum partial_state state);

/* Removes the message; the same with all that is known. */
void partial_drop_data(const struct partial *p);
void partial_discard(struct partial *p);

/* partial_name.c: the names of the three files. */
void partial_key(char key[PARTIAL_KEY + 1], const char *owner, const char *helo,
                 const char *transid);
void partial_name(char name[PARTIAL_NAME], const struct partial *p, const char *id,
                  const char *suffix);

/* partial_cut.c: sets p->file.mark and p->data to what can be promised. As partial_resume(). */
int partial_cut(struct partial *p, uint64_t trace, bool lines, const char *id);

/* Seconds since 1970 at which this host was started, as its clock says now. */
uint64_t partial_boot(void);

#endif
