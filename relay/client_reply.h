/*
 * Replies of a next hop (RFC 5321 4.2, RFC 2034, RFC 3463). All that is in them is
 * foreign; what is kept is bounded and safe to print.
 */
#ifndef RELAY_CLIENT_REPLY_H
#define RELAY_CLIENT_REPLY_H

#include <stdbool.h>

#include "base/limits.h"
#include "base/text.h"
#include "relay/client_io.h"

/* "5.123.123" */
#define CLIENT_ENHANCED 10

struct client_reply {
	unsigned code;                       /* 200 to 599 */
	char enhanced[CLIENT_ENHANCED];      /* of the code's class; x.0.0 if none was said */
	char text[LIMIT_REPLY + 1];          /* code and all lines, joined, made safe, cut */
	char first[LIMIT_REPLY + 1];         /* first line behind the code, made safe, cut */
};

/* A line of a reply, without code and separator; not safe yet. */
typedef void client_line(void *arg, unsigned number, const char *line, size_t len);

/*
 * Reads one reply under io's deadline. each, if not NULL, sees its lines. False: there
 * is trouble, and *r holds nothing; a reply without end, with a code that is none, or
 * with codes of two classes is CLIENT_BABBLE.
 */
bool client_reply_read(struct client_io *io, struct client_reply *r, client_line *each,
                       void *arg);

/* 2, 3, 4 or 5. */
unsigned client_reply_class(const struct client_reply *r);

/* The part of s that is printable ASCII or UTF-8; other octets become "?". */
void client_make_safe(struct text *t, const char *s, size_t len);

#endif
