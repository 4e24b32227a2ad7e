/*
 * SMTP (RFC 5321) or LMTP (RFC 2033) over one connection, the client's side, up to where
 * messages can be sent (client_send.h). Each step returns false when the hop can't be
 * used; c->problem then says why.
 */
#ifndef RELAY_CLIENT_H
#define RELAY_CLIENT_H

#include "base/sending.h"
#include "relay/client_ehlo.h"
#include "relay/client_io.h"
#include "relay/client_verdict.h"

struct client {
	struct client_offer offer;
	bool lmtp;
	bool tls, logged_in;
	bool needs_reset;        /* a transaction is open, or broke off */
	bool cut;                /* it broke; the message goes on over another one */
	uint64_t offset;         /* of it, as far as the peer has said so (RFC 1845) */
	/* Told of what has gone out of a message; NULL: nobody is. */
	void (*progress)(void *arg, uint64_t done, uint64_t all);
	void *progress_arg;
	uint64_t resume_from;    /* messages of so many octets and more can be resumed */
	bool has_rest;           /* of the last message, since MAILMAX was reached */
	bool unusable;           /* no other message may follow on this connection */
	uint64_t reply_seconds, final_seconds;
	unsigned transactions;
	const char *hello;       /* our name */
	char host[LIMIT_DOMAIN + 1]; /* what the peer calls itself; "" unknown */
	struct client_verdict problem;
	struct client_io io;     /* last: client_init() leaves its buffers untouched */
};

/* watch as in client_io.h. The connection stays the caller's. */
void client_init(struct client *c, int fd, int watch, bool lmtp, const char *hello);

/* A TCP connection to address (IPv4 or IPv6, text) and port; -1: *v says why. */
int client_connect(const char *address, const char *port, uint64_t seconds,
                   struct client_verdict *v);

/* The greeting, RFC 5321 3.1. */
bool client_greeting(struct client *c);

/* EHLO, or HELO where that is not understood; LHLO. Forgets what was offered before. */
bool client_hello(struct client *c);

/*
 * STARTTLS (RFC 3207). CLIENT_TLS_GO: the connection is to be handed over now, nothing is
 * read ahead. REFUSED: it goes on in plain, if that may be.
 */
enum client_tls { CLIENT_TLS_GO, CLIENT_TLS_REFUSED, CLIENT_TLS_FAILED };
enum client_tls client_starttls(struct client *c);

/* From now on the connection is fd, and it is secured: RFC 3207 4.2, all is forgotten. */
void client_secured(struct client *c, int fd);

/* QUIT; the reply is waited for briefly, and not needed (RFC 5321 4.1.1.10). */
void client_quit(struct client *c);

/* One command, and its reply; false: there is trouble at that step (no verb: just read). */
bool client_ask(struct client *c, const char *verb, const char *argument,
                struct client_reply *r);

#endif
