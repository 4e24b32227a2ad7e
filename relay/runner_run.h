/* What the files runner*.c share: one run of one domain, its connections, its messages. */
#ifndef RELAY_RUNNER_RUN_H
#define RELAY_RUNNER_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/packet.h"
#include "relay/control.h"
#include "relay/outcome.h"
#include "relay/queue.h"
#include "relay/route.h"
#include "relay/runner.h"
#include "relay/schedule.h"
#include "relay/way.h"

/* Seconds, RFC 5321 4.5.3.2: to connect, to each reply, to the one after the final dot. */
#define RUNNER_CONNECT 30
#define RUNNER_REPLY 300
#define RUNNER_FINAL 600
/* In all: to be ready (greeting, TLS, EHLO, login), for one message. */
#define RUNNER_READY (20 * 60)
#define RUNNER_MESSAGE (6 * 3600)
/* Finished messages wait so long for others before they are synced. */
#define RUNNER_SYNC_MS 5
/* RFC 2645: both sides of a turned connection wait ten minutes for each other. */
#define RUNNER_TURNED 600
/* Connections one after the other that end without a reply to a message: enough. */
#define RUNNER_BARREN 3

/* A message of the run. */
struct work {
	struct queue_message m;
	bool used;
	bool dirty;                        /* marks were written, and not synced */
	bool strict;                       /* REQUIRETLS (RFC 8689): run_is_strict() */
	uint64_t offset;                   /* of it a hop had so much when it was cut last */
	unsigned cuts, idle_cuts;          /* in this run; those in a row without progress */
	unsigned from;                     /* recipients before this one were asked for */
	char host[LIMIT_DOMAIN + 1];       /* of the last attempt, "" for none */
	char address[LIMIT_SOCKET + 1];
	char tls[64];                      /* "TLSv1.3", "" in clear */
	struct outcome outcomes[LIMIT_RECIPIENTS];
};

enum slot_state {
	SLOT_FREE,
	SLOT_CONNECTING, /* SEND_CONNECT is said */
	SLOT_LOGIN,
	SLOT_IDLE,
	SLOT_SENDING,
	SLOT_ENDING,     /* SEND_QUIT is said, or the sender has nothing to add */
};

/* One connection, and the sender that has it. */
struct slot {
	enum slot_state state;
	int boundary;
	int tls;            /* to the tls helper, while a handshake is under way; or -1 */
	int tls_end;        /* the plain end that will go to the sender */
	unsigned hop;       /* of the route */
	bool strict;        /* TLS is verified, or there is no connection */
	bool plain;         /* second attempt, in clear, after a handshake failed */
	bool must, must_verify;
	bool tls_failed;
	bool tls_ours;      /* ...and the peer is not to blame */
	bool replied;       /* a message had an outcome from the peer */
	char tls_version[16];
	int64_t deadline;   /* clock_ms() */
	struct work *work;  /* SLOT_SENDING */
	unsigned n, known;  /* recipients of this transaction, and outcomes so far */
	unsigned short to[LIMIT_TRANSACTION];
};

/* Why no connection can be had (no hop left), for the ordinary and the strict ones. */
struct no_hop {
	bool is;
	bool met;           /* by an attempt, not by what is known of earlier ones */
	struct outcome why;
};

struct run {
	const struct runner_setup *setup;
	struct queue queue;
	struct schedule schedule;
	struct route route;
	char login[LIMIT_ADDRESS + 1], password[LIMIT_PASSWORD + 1]; /* for `relay` */
	/* Of this domain. */
	char domain[LIMIT_DOMAIN + 3];
	struct way way;
	bool turned;        /* over a connection that the customer has made */
	int conn;           /* that connection, until a sender has it; or -1 */
	bool held;          /* deliver = hold: it waits for its owner, however long */
	bool now;           /* whatever is due or not */
	bool routed;
	int64_t routed_at;  /* clock_ms() */
	bool strict;        /* this pass is for messages with REQUIRETLS */
	bool strict_met;    /* there are such */
	struct no_hop no_hop[2];
	unsigned barren;
	uint64_t sent, failed; /* recipients, in this run */
	uint64_t left;      /* that still wait, as the last pass saw it */
	time_t due;         /* earliest time of a recipient; 0 = none */
	time_t age_due;     /* the same of a report of delay and of giving up */
	unsigned n_slots;
	struct slot *slots;
	unsigned share;     /* of them may be in use: CONTROL_SHARE */
	struct way kept;    /* what slots are connected to, from the domain before, */
	int64_t kept_until; /* and how long they wait for another one; 0: none are */
	unsigned n_works;
	struct work *works; /* one more than slots */
	unsigned n_waiting; /* loaded, to be given to a connection */
	struct work *waiting[LIMIT_PER_DESTINATION + 1];
};

/* -- runner.c -------------------------------------------------------------------------------- */

/* All that is due of a queue that is open and configured, until nothing new comes. */
void run_passes(struct run *r);

/* What became of a request: its id is that of the keeper's line. result: "done" and such. */
void run_log_asked(const struct run *r, const char *id, const char *name, const char *result);

/* -- runner_turn.c: ATRN ---------------------------------------------------------------------- */

/*
 * Sends the mail of domains (queues, a comma between them) over conn, which is closed or a
 * sender's in the end. client: whose address that is, for the log.
 */
void run_turn(struct run *r, int conn, const char *client, const char *domains,
              const char *id);

/* A turned connection has gone: what is left stays as it is. */
bool run_is_over(const struct run *r);

/* -- runner_confine.c ------------------------------------------------------------------------- */

/* `relay-login`: read before the lock, by the runner alone. False: logged. */
bool run_read_login(struct run *r);

/* False: logged. */
bool run_confine(const struct runner_setup *setup);

/* -- runner_route.c: where to -------------------------------------------------------------- */

/* Reads the domain's configuration into run. False: it has errors, which are logged. */
bool run_configure(struct run *r);

/* Finds the hops once. False: there are none, and r->no_hop says why. */
bool run_route(struct run *r);

/* The name of a hop in the schedule. */
void run_hop_name(const struct run *r, unsigned hop, bool strict, char out[SCHEDULE_NAME]);

/*
 * Does a message need a hop with REQUIRETLS? RFC 8689 5: not one without a sender, since nobody
 * would hear of its failure; nor is a unix socket of this host a hop.
 */
bool run_is_strict(const struct run *r, const struct envelope *e);

/* The first hop from `from` on that may be tried now; false: none, r->no_hop says why. */
bool run_find_hop(struct run *r, bool strict, unsigned from, unsigned *hop);

/* -- runner_time.c: when -------------------------------------------------------------------- */

/* fd: the file retry, or -1. Damaged, it is as if there were none, and the log says so. */
void run_read_schedule(struct run *r, int fd);

/* Writes what has changed, and when the domain is due; makes the file where *fd is -1. */
void run_set_schedule(struct run *r, int *fd);

/* A domain on hold: looked at again when it is asked for by name, or set free. */
void run_put_off(struct run *r);

/* -- runner_slot.c: a connection ----------------------------------------------------------- */

/* Starts a sender for a hop. False: logged, nothing is started. */
bool slot_start(struct run *r, struct slot *s, unsigned hop, bool strict, bool plain);

/* Gives it a message: the next recipients that are due. */
void slot_send(struct run *r, struct slot *s, struct work *w);

/* No more messages: says SEND_QUIT and forgets it. */
void slot_quit(struct slot *s);

/* The sender is gone, or is to go: our ends are closed. */
void slot_close(struct slot *s);

/* -- runner_keep.c: from domain to domain ----------------------------------------------------- */

/* The domain's way is known: what was kept is taken over, or ended. */
void run_take_kept(struct run *r);

/* The domain is done: connections to a fixed hop wait for the next one, others end. */
void run_keep(struct run *r);

/* Nothing is kept any longer. */
void run_end_kept(struct run *r);

/* Waits for the dispatcher's next packet while something is kept; ends that when none comes. */
void run_wait(struct run *r);

/* Ends the connections in these states. */
void run_quit(struct run *r, bool idle, bool others);

/* Hears CONTROL_SHARE, whose packet this is. False: it is malformed. */
bool run_share(struct run *r, const struct packet *p);

/* -- runner_hear.c: what its sender says ---------------------------------------------------- */

/* One of its descriptors can be read. */
void slot_event(struct run *r, struct slot *s);

/* Too late: the sender is given up, its message is deferred. */
void slot_expire(struct run *r, struct slot *s);

/* slot_close() after its message, if it has one, is settled. */
void slot_lost(struct run *r, struct slot *s);

/* This hop can't be used: the next one is tried, or the same without TLS. */
void slot_no_hop(struct run *r, struct slot *s, char class, const char *code, const char *text);

/* -- runner_tls.c --------------------------------------------------------------------------- */

/* The value of SEND_CONNECT's tls field, and what s must have. */
char slot_tls_wish(const struct run *r, struct slot *s);

/* SEND_WANTS_TLS with a connection; the answer comes later, by slot_tls_event(). */
void slot_tls_begin(struct run *r, struct slot *s, int conn);
void slot_tls_event(struct run *r, struct slot *s);

/* Logs what became of TLS with this peer (for TLSRPT, RFC 8460 4.3: result types). */
void slot_tls_result(const struct run *r, const struct slot *s, const char *type,
                     const char *detail);

/* -- runner_settle.c: outcomes become marks, reports and log lines --------------------------- */

/* Of recipient i, just known: a delivery is written down at once. */
void settle_known(struct run *r, struct work *w, unsigned i);

/* All that can be known of w now is: reports, marks, next times; w is free then. */
void settle(struct run *r, struct work *w);

/* The same of a message that no connection could be had for. */
void settle_unsent(struct run *r, struct work *w);

/* Nothing is due of it: when will it be? Reports what was delivered here. */
void settle_waiting(struct run *r, struct work *w);

/* For the log: what became of recipient i. */
void settle_log(const struct run *r, const struct work *w, unsigned i, const char *event);

/* -- runner_release.c: FUTURERELEASE, and DELIVERBY's mode R -------------------------------- */

/* True while the message is held back: nothing is done with it but to come again. */
bool run_is_early(const struct envelope *e, time_t now);

/* Its time has passed: it fails, and w is free. False: it may go. */
bool settle_late(struct run *r, struct work *w);

/* Delivers here what was held back. Outcomes are set, marks and log lines written. */
void settle_released(struct run *r, struct work *w);

/* Is this recipient to be tried now? */
bool run_is_due(const struct run *r, const struct envelope_to *to, time_t now);

/* Told of files that are set aside (struct queue). */
void settle_foreign(struct queue *q, const char *name, const char *why);

/* -- runner_report.c ------------------------------------------------------------------------ */

/* Has `spool` take the message at fd, whole, from and to these; tls: with REQUIRETLS. */
enum control_reported run_inject(struct run *r, int fd, const struct address *from,
                                 const struct address *to, bool tls);

/* The same with a message that was held back, for recipient i of e; all else of e stays said. */
enum control_reported run_release(struct run *r, int fd, const struct envelope *e, unsigned i);

enum tell { TELL_DONE, TELL_LATER };

/* Reports to the sender, where one is due, of n recipients. */
enum tell tell_sender(struct run *r, struct work *w, int kind, const unsigned short *which,
                      unsigned n);
void tell_postmaster(struct run *r, const char *file, const char *why);

#endif
