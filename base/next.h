/* Where mail goes when not by MX: the values of `relay` and `deliver`. Pure functions. */
#ifndef BASE_NEXT_H
#define BASE_NEXT_H

#include <stdbool.h>

#include "base/limits.h"

enum next_kind {
	NEXT_MAILDIR, /* mailboxes of ours: nothing is sent */
	NEXT_MX,      /* what DNS says */
	NEXT_HOLD,    /* kept until somebody asks for the domain by name; then to host, or MX */
	NEXT_SMTP,    /* one server: host and port */
	NEXT_LMTP,    /* the same, or the unix socket at path */
};

/* How much TLS a next hop gets; DANE and MTA-STS may ask for more, never for less. */
enum next_tls {
	NEXT_TLS_MAY,    /* where it is offered; in clear when it fails */
	NEXT_TLS_MUST,   /* or later; any certificate */
	NEXT_TLS_VERIFY, /* or later; a certificate of that name */
	NEXT_TLS_NEVER,
};

struct next {
	enum next_kind kind;
	char host[LIMIT_DOMAIN + 1]; /* a name or an IP address without brackets; or "" */
	unsigned port;
	char path[LIMIT_SOCKET + 1]; /* of a unix socket, or "" */
};

/*
 * "maildir", "mx", "hold", "hold:[HOST]:PORT", "smtp:[HOST]:PORT", "lmtp:[HOST]:PORT",
 * "lmtp:PATH".
 */
bool parse_deliver(const char *s, struct next *n);

/* "mx", "[HOST]:PORT", "HOST:PORT", "HOST" (port 25). */
bool parse_relay(const char *s, struct next *n);

/* "may", "must", "verify", "never". */
bool parse_next_tls(const char *s, enum next_tls *tls);

#endif
