/*
 * `postern send`: one message to one server over a line that may break (RFC 1845). Plays the
 * runner of base/sending.h for a user: starts a sender for each connection, hands TLS to the
 * program tls, and begins again where a connection broke.
 */
#ifndef POST_POST_H
#define POST_POST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/sending.h"

/* What the user has asked for. Strings stay the caller's. */
struct post {
	const char *host, *port;
	enum send_tls tls;
	const char *ca;           /* authorities' certificates, "" = the system's */
	const char *tls_program;  /* path of tls */
	const char *login, *password; /* "" = none */
	const char *hello;        /* our name */
	uint64_t seconds;         /* without a reply, until a connection is given up */
	uint64_t tries;           /* connections in a row without progress */
	/* Forks a sender; its boundary, or -1 with errno. */
	int (*start)(void);
};

/* One message. */
struct post_message {
	const char *name;         /* as the user knows it */
	int fd;                   /* a file, for reading */
	uint64_t size;
	char id[LIMIT_ID + 1];    /* of its content: the same in every run */
	bool utf8;
	struct address from;      /* local "" for <> */
	unsigned n;
	struct address to[LIMIT_RECIPIENTS];
};

/* Exit codes, those of all programs of Postern. */
enum post_end { POST_SENT = 0, POST_REFUSED = 1, POST_LATER = 111 };

/* Sends m; tells of everything on standard output and error. */
enum post_end post_send(const struct post *p, const struct post_message *m);

/* -- letter.c: the message and what is in it ------------------------------------------ */

/*
 * Makes m of what can be read from fd, copied where it is no file. False: told. With
 * recipients: those of To, Cc and Bcc are added.
 */
bool post_letter(struct post_message *m, const char *name, int fd, bool recipients);

/* -- bar.c: progress ------------------------------------------------------------------ */

/* Where standard error is a terminal: how far it is. The rest is words: clears the bar. */
void post_bar(uint64_t done, uint64_t all);
void post_bar_clear(void);

/* -- secure.c -------------------------------------------------------------------------- */

/*
 * TLS on conn, by the program tls: the plain end, or -1 and *why. conn stays the caller's.
 */
int post_secure(const struct post *p, int conn, char why[LIMIT_REPLY]);

#endif
