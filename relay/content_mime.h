/*
 * What MIME header fields say about a part (RFC 2045, 2046): as far as needed to find
 * parts and to know how each may be converted. Pure functions.
 */
#ifndef RELAY_CONTENT_MIME_H
#define RELAY_CONTENT_MIME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/limits.h"

enum mime_kind {
	MIME_TEXT,      /* text/ anything */
	MIME_OTHER,     /* may be encoded like text, is not made of parts */
	MIME_MULTIPART,
	MIME_SEALED,    /* multipart/signed, multipart/encrypted: no octet may change */
	MIME_MESSAGE,   /* message/rfc822: never encoded itself, only what is in it */
	MIME_PLAIN,     /* message/partial, message/external-body: 7bit only (RFC 2046 5.2) */
	MIME_OPAQUE,    /* a multipart whose parts can't be found */
};

struct mime_type {
	enum mime_kind kind;
	bool digest;    /* its parts are message/rfc822 where they don't say (RFC 2046 5.1.5) */
	size_t boundary_len;
	char boundary[LIMIT_MIME_BOUNDARY + 1];
};

/* The value of a Content-Type field, unfolded. False: it is none. */
bool mime_read_type(const char *value, struct mime_type *type);

/* In this order, up to BINARY, each allows more than the one before. */
enum mime_encoding { MIME_7BIT, MIME_8BIT, MIME_BINARY, MIME_ENCODED, MIME_UNKNOWN };

/* The value of a Content-Transfer-Encoding field, unfolded. */
enum mime_encoding mime_read_encoding(const char *value);

/*
 * True when a line of a body is the boundary: "--", boundary, maybe "--" (then *last),
 * maybe white space (RFC 2046 5.1.1).
 */
bool is_mime_boundary(const char *line, size_t len, const struct mime_type *type, bool *last);

#endif
