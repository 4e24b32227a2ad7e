/*
 * Helpers: tls and auth, programs with a privilege of their own, asked over a
 * SOCK_SEQPACKET connection (packet.h). A helper gets its connections from listening
 * sockets (a socket unit's LISTEN_FDS), or from a *feed*: one socket over which a
 * process that may open nothing sends the end of a pair it has made. It forks a
 * child for each. This header has the words of both dialogues.
 */
#ifndef BASE_HELPER_H
#define BASE_HELPER_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

/* -- The dialogue with tls: one connection, one handshake ------------------------- */

enum tls_word {
	/*
	 * To it: session-id, client's address, service letter; beside it the client's
	 * connection and the plain side's end of a SOCK_STREAM pair.
	 */
	TLS_SERVE = 's',
	/*
	 * To it, as a client: session-id, peer's address, the server's names separated by
	 * blanks (the first is for SNI, any one will do in its certificate; "" for a literal),
	 * how to verify ("none", "name": RFC 6125 with the authorities of tls-ca, "try": the
	 * same, but who fails is served, too, "dane": RFC 7672), then up to LIMIT_TLSA records,
	 * each one field "usage selector matching-type hex". Descriptors as above; answered as
	 * above, with the server's certificate, and `verified` says that what was asked for
	 * holds. TLS_FAILED has its reason.
	 */
	TLS_CONNECT = 'c',
	/* From it: the facts of struct tls_facts, in its order. Data may flow from here on. */
	TLS_UP = '+',
	TLS_FAILED = '-', /* reason: the handshake failed; tls has logged it, too */
};

/* Text, "" for what is not there. Octets stand as base64 (channel bindings). */
struct tls_facts {
	char version[16];     /* "TLSv1.3" */
	char cipher[48];      /* "TLS_AES_256_GCM_SHA384" */
	char group[32];       /* of the key exchange */
	char sni[256];        /* what the client asked for */
	char resumed[4];      /* "yes" or "" */
	char verified[4];     /* "yes": the client's certificate comes from tls-client-ca */
	char subject[256];    /* of the client's certificate */
	char email[320];      /* its first rfc822Name */
	char fingerprint[65]; /* SHA-256 of it, hex */
	char exporter[48];    /* RFC 9266 tls-exporter (TLS 1.3, or 1.2 with EMS) */
	char endpoint[96];    /* RFC 5929 tls-server-end-point */
};
#define TLS_FACTS 11

/* -- The dialogue with auth: one connection, one attempt --------------------------- */

enum auth_word {
	/*
	 * To it: mechanism, initial response in base64 ("" none, "=" an empty one, as
	 * RFC 4954 writes them), session-id, client's address, service letter, then
	 * version, verified, email, fingerprint, exporter and endpoint of tls_facts
	 * (all "" without TLS).
	 */
	AUTH_BEGIN = 'a',
	AUTH_RESPONSE = 'r',  /* to it: base64, may be "" */
	AUTH_CHALLENGE = 'c', /* from it: base64, may be "" */
	/* From it, the last word: */
	AUTH_DONE = '+',        /* the login, an address in its canonical form */
	AUTH_REFUSED = '-',     /* wrong, unknown, disabled: one answer for all (535) */
	AUTH_MALFORMED = 'm',   /* what the client sent is no such message (501) */
	AUTH_NO_MECHANISM = 'n',/* unknown, or not enabled (504) */
	AUTH_NEEDS_TLS = 't',   /* not without TLS (538) */
	AUTH_LATER = 'l',       /* something of ours failed, or too many at once (454) */
};
#define AUTH_BEGIN_FIELDS 11

/* -- Being a helper ------------------------------------------------------------------ */

/* To a helper over its feed: no field, the connection's end beside it. */
#define HELPER_FEED 'f'
/* The same with one field, a word, and nothing beside it. */
#define HELPER_WORD 'w'
/* Where a feed is, when -F is among the helper's options. */
#define HELPER_FEED_FD 3

/* For a helper whose connections are served by processes that somebody else forks. */
struct helper_pool {
	/* Takes conn over, whatever becomes of it. */
	void (*give)(int conn);
	/* Connections that are being served. */
	unsigned (*busy)(void);
	/* Fills p with what is to be waited for, beside connections: at most HELPER_WATCH. */
	unsigned (*watch)(struct pollfd *p);
	/* Hears all that is there to hear; never waits. */
	void (*hear)(void);
};
#define HELPER_WATCH 16

struct helper {
	unsigned children;  /* at once, more wait in the backlog */
	int64_t idle_ms;    /* without children before it ends (listening sockets), 0 = never */
	bool feed;          /* connections come over HELPER_FEED_FD, not LISTEN_FDS */
	/* In a child: serves conn; its return value is the exit code. */
	int (*serve)(int conn);
	const struct helper_pool *pool; /* instead of serve and prepare, or NULL */
	/* In the parent on SIGHUP, may be NULL. */
	void (*reload)(void);
	/* In the parent before each fork, may be NULL: what every child is to inherit. */
	void (*prepare)(void);
};

/*
 * Accepts, and forks or gives, until idle, until SIGTERM, or until the feed's other ends are all
 * closed; children run on. Tells the service manager (READY=1, RELOADING=1,
 * STOPPING=1). Who may connect is the socket's mode, nothing else is checked.
 * Returns the exit code; with neither sockets nor feed -1, and nothing was done.
 */
int helper_run(const struct helper *h);

/* -- Asking one ------------------------------------------------------------------------ */

/* Where a helper is reached: a socket's path, or the writing end of a feed, or nowhere. */
struct helper_door {
	const char *path; /* NULL or "" = none */
	int feed;         /* -1 = none */
};

/*
 * A word for a helper that takes datagrams (flush: a domain's name): sent when it can be
 * sent at once, and lost otherwise, which the helper makes good by its timer.
 */
void helper_tell(const struct helper_door *d, const char *word);

/*
 * The same where it matters: waits up to LIMIT_HELPER_WORD seconds for room. fd goes
 * beside it unless it is -1; it stays the caller's. 0: it is with the helper, or with the
 * socket that will start it; -1 with errno.
 */
int helper_say(const struct helper_door *d, const char *word, int fd);

/* Would a word reach it, or start it? No promise. */
bool helper_listens(const struct helper_door *d);

/* A connection to the helper: its descriptor, close-on-exec; or -1 with errno. */
int helper_connect(const struct helper_door *d);

#endif
