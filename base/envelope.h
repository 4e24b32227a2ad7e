/*
 * The envelope of a queued message, spool/DOMAIN/ID.e beside spool/DOMAIN/ID.m: text,
 * one `KEY value` a line, values xtext (RFC 3461 4). Written once by who queues the
 * message and renamed into place: that is the commit. Afterwards only a few octets at
 * fixed places change, each by one pwrite(2): see envelope_mark() and envelope_hold().
 *
 *	postern 1
 *	id 6b03029aba16b.1.1
 *	hold -
 *	arrived 1795346553
 *	skip 312
 *	size 4096
 *	body 8BITMIME
 *	utf8 no
 *	sender alice@example.org
 *	to .- 0000000000 000 FAILURE,DELAY rfc822;bob@example.net bob@example.net
 *	end
 *
 * The order is fixed. `ret`, `envid`, `auth`, `login`, `requiretls yes`, `by TIME MODE`,
 * `release TIME`, `holdfor SECONDS` and `priority N` stand before `sender` where they were said. In `to`:
 * state, whether a delay was reported (`d`), not before (time), attempts so far, NOTIFY and
 * ORCPT (each `-` where not said), and the address. A null sender is `<>`; hold is `h` or
 * `-`. `end` tells a whole file from one that was cut.
 */
#ifndef BASE_ENVELOPE_H
#define BASE_ENVELOPE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/address.h"
#include "base/limits.h"
#include "base/timed.h"

enum envelope_state {
	ENVELOPE_TODO = '.',
	ENVELOPE_DONE = 'D',   /* the next hop has taken it, or it was delivered */
	ENVELOPE_FAILED = 'F', /* for good, and reported where a report was due */
	/*
	 * Delivered here already; only the report of it is due (RFC 3461 5.2.7, NOTIFY=SUCCESS):
	 * flush makes it and marks D. So queues of local domains may hold such entries.
	 */
	ENVELOPE_DELIVERED = 'S',
	/*
	 * For a mailbox here, but not before `release` (RFC 4865): flush then gives the message
	 * to `spool` and marks D. So it never goes to another host from here.
	 */
	ENVELOPE_HELD = 'H',
	/* The next hop has taken it and knows no DSN: the report of that is due (5.2.2), then D. */
	ENVELOPE_RELAYED = 'R',
};

/* Bits of NOTIFY (RFC 3461 4.1); 0: not said. */
enum {
	NOTIFY_NEVER = 1 << 0,
	NOTIFY_SUCCESS = 1 << 1,
	NOTIFY_FAILURE = 1 << 2,
	NOTIFY_DELAY = 1 << 3,
};

enum envelope_body { BODY_7BIT, BODY_8BITMIME, BODY_BINARYMIME };

/* RET (RFC 3461 4.3). */
enum envelope_ret { RET_UNSAID, RET_FULL, RET_HDRS };

struct envelope_to {
	struct address address;
	unsigned notify;
	char orcpt[LIMIT_ORCPT + 1];  /* "rfc822;bob@example.net", decoded; "" = not said */
	/* What envelope_mark() changes: */
	enum envelope_state state;
	bool delay_told;
	time_t next;                  /* not to be tried before */
	unsigned attempts;
	off_t at;                     /* where in the file that stands */
};

struct envelope {
	char id[LIMIT_ID + 1];
	bool hold;                    /* an administrator wants it to stay */
	off_t hold_at;
	time_t arrived;
	uint64_t skip;                /* at most size: octets of the message that do not travel */
	uint64_t size;                /* of the whole file, octets as stored (LF) */
	enum envelope_body body;      /* BODY_BINARYMIME: line ends are stored as they came */
	bool utf8;                    /* RFC 6531: the message or an address needs it */
	bool require_tls;             /* RFC 8689 */
	struct deliver_by by;         /* RFC 2852; mode BY_NONE where not said */
	time_t release;               /* RFC 4865: not sent before; 0 = not said */
	uint64_t hold_for;            /* what HOLDFOR said; 0: HOLDUNTIL, or nothing */
	int priority;                 /* RFC 6710; 0 = not said, or just that */
	enum envelope_ret ret;
	char envid[LIMIT_ENVID + 1];  /* decoded; "" = not said */
	char auth[LIMIT_ADDRESS + 1]; /* AUTH= (RFC 4954 5), decoded; "" = not said */
	char login[LIMIT_ADDRESS + 1];/* who sent it, "" = nobody who logged in */
	struct address sender;        /* local "" for <> */
	unsigned n;
	struct envelope_to to[LIMIT_RECIPIENTS];
};

/*
 * Writes e to fd at its start, marks included, and syncs. 0, or -1 with errno, which is
 * EINVAL for what envelope_read() would not take: e.g. an id that is no file name.
 */
int envelope_write(int fd, const struct envelope *e);

/*
 * Reads fd, which may hold anything. 1: e is filled; 0: it is no envelope, and
 * *why says what is wrong (static text); -1 with errno.
 */
int envelope_read(int fd, struct envelope *e, const char **why);

/*
 * Writes what has changed of to->state and the three behind it, and syncs. 0 or -1. One
 * write of 17 octets: a crash in it leaves a mixture of old and new digits at worst, which
 * is still a line that can be read.
 */
int envelope_mark(int fd, const struct envelope_to *to);

/* The same without the sync: for who syncs several at once. */
int envelope_put_mark(int fd, const struct envelope_to *to);

/*
 * Ends an id, so that a queue's names alone tell what goes first: "_p3", "_n3", nothing for
 * 0. And reads that off "ID" or "ID.e"; 0 for what has none.
 */
void envelope_id_priority(struct text *t, int priority);
int envelope_name_priority(const char *name);

/* Since when the message may be sent: ages count from here (RFC 4865). */
time_t envelope_start(const struct envelope *e);

/* Sets e->hold, and writes it. 0 or -1. */
int envelope_hold(int fd, struct envelope *e, bool hold);

/*
 * NOTIFY as text, "-" for 0; and back. False for what RFC 3461 4.1 does not allow, "-"
 * among it. Upper and lower case are one.
 */
void envelope_notify_text(struct text *t, unsigned notify);
bool parse_notify(const char *s, unsigned *notify);

/* ENVID, decoded: printable ASCII (RFC 3461 4.4), "" too. */
bool is_envid(const char *s);

/* "rfc822;" and such, then something printable (RFC 3461 4.2): decoded form. */
bool is_orcpt(const char *s);

#endif
