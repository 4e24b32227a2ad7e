/*
 * One SMTP or LMTP session (RFC 5321, 2033) with a client on a pair of descriptors
 * and a keeper behind a third. Runs sandboxed: see session_confine().
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/conf.h"
#include "base/job.h"
#include "session/ask.h"
#include "session/fixup.h"
#include "base/hops.h"
#include "base/rewind.h"
#include "session/io.h"
#include "session/reply.h"
#include "session/stream.h"

/* What the process that starts a session has decided. */
struct session_setup {
	int in, out, boundary;
	const struct conf *conf;
	uint64_t size;          /* largest message: conf->size, or DATABYTES */
	struct ip client;       /* of the socket: a proxy? one that may say XCLIENT? */
	enum service service;
	bool demand;            /* a domain has somebody who may ask for its mail: ETRN */
	bool may_secure;        /* STARTTLS can be offered: a certificate, and a socket */
};

/* The body of the message being received. */
struct body {
	int fd;                     /* the message file, or -1 */
	struct stream stream;
	struct hops hops;
	struct fixup fixup;         /* submission only */
	char id[LIMIT_ID + 1];
	const struct reply *failed; /* why it will be refused, or NULL so far */
};

/* CHECKPOINT: this transaction can be resumed (RFC 1845). */
struct restart {
	bool on;
	bool resumed;
	struct resume at;   /* where, when resumed */
	uint64_t written;   /* octets that this session has put into the message file */
	uint64_t noted;     /* octets of the message at which the keeper was last told */
};

/* Facts a command may need or be barred by; see the table in commands.c. */
enum fact {
	HELLO = 1 << 0,
	MAIL = 1 << 1,
	RCPT = 1 << 2,
	CHUNKS = 1 << 3, /* BDAT has begun the body */
	TLS = 1 << 4,
	LOGIN = 1 << 5,
};

/* What RSET and EHLO leave (RFC 5321 4.1.4); STARTTLS leaves TLS alone. */
#define LASTING (HELLO | TLS | LOGIN)

/*
 * Ordered by use: a session that only says EHLO and QUIT touches one page of it, which
 * begins at ask.fd. In a process forked per connection a page touched is a page copied.
 */
struct session {
	char outcomes[LIMIT_RECIPIENTS + 1];
	struct ask ask;
	const struct session_setup *setup;
	unsigned have;       /* facts */
	bool over;           /* close after this reply */
	uint64_t errors;     /* 5yz replies so far */
	unsigned recipients; /* accepted in this transaction */
	bool certificate;    /* the client has shown one, in its TLS handshake */
	bool channel;        /* there is TLS channel binding data */
	uint64_t limit;      /* largest size this message may have */
	struct ip client;    /* after PROXY; it has the right to XCLIENT or has not */
	char helo[LIMIT_DOMAIN + 3];
	char xclient_helo[LIMIT_DOMAIN + 3]; /* what XCLIENT says goes into headers */
	struct sender sender;
	uint64_t known[LIMIT_LOOP]; /* hops_hash() of the first recipients */
	struct body body;
	struct restart checkpoint;
	char detail[LIMIT_REPLY]; /* what a handler adds to its reply's text */
	struct io io;
};

/* Exit codes of a session process; anything else is an abnormal death. */
enum session_exit { SESSION_DONE = 0, SESSION_BROKEN = 1 };

/* Descriptors of a confined session: 0 and 1 the client, 2 /dev/null, and */
#define SESSION_BOUNDARY 3

/*
 * Gives up everything but setup's in, out and boundary, which becomes
 * SESSION_BOUNDARY: limits, groups, root, uid, Landlock, seccomp. uid 0 means "stay
 * who you are". Dies when a step fails.
 */
void session_confine(const struct session_setup *setup, const char *jail, uid_t uid,
                     gid_t gid);

/*
 * The same for a process that forks sessions, but for seccomp: all that a child inherits.
 * Descriptors below SANDBOX_KEPT are on /dev/null, higher ones stay.
 */
void session_confine_ancestor(const struct session_setup *setup, const char *jail, uid_t uid,
                              gid_t gid);

/* What such a child writes to for every client. */
struct rewind_hot session_hot(void);

/*
 * Speaks with the client until one of the two has enough, and closes the connection.
 * Returns the exit code.
 */
enum session_exit session_run(const struct session_setup *setup);

/*
 * Sends a reply, with s->detail behind its text, and counts it. Handlers return
 * their last reply instead; this is for those that have several (354, LMTP).
 */
void session_send(struct session *s, const struct reply *r);

/* One line of a multiline reply that the returned one will end (RFC 5321 4.2.1). */
void session_line(struct session *s, const struct reply *r, const char *text);

/*
 * TLS from here on: closes the plain descriptor, and gets another one. False: the
 * client is gone, since there is nothing to go back to (RFC 3207 4.2).
 */
bool session_secure(struct session *s);

/* ATRN is answered: the connection is closed here, untouched, and another's from now on. */
void session_turn(struct session *s);

/* 220; or the refusal of one that spoke too early (RFC 5321 3.1), which is over. */
const struct reply *session_greeting(struct session *s);

/* Ends the transaction on this side (RFC 5321 4.1.1.5). */
void session_reset(struct session *s);

/* The reply to an answer that refuses; a keeper that is gone ends the session. */
const struct reply *session_refused(struct session *s, enum answer a);

/* The reply when the client was lost or late; the session is over. */
const struct reply *session_lost(struct session *s, enum io_result r);

#endif
