/*
 * The line ends of a message that a program of this host hands in: LF or CRLF ends a
 * line, any other CR becomes a space (progress bars in the mail of a cron job; on the wire
 * a bare CR is forbidden, RFC 5321 2.3.8), and the last line gets an end. NUL passes. Pure.
 */
#ifndef SPOOL_LINES_H
#define SPOOL_LINES_H

#include <stdbool.h>
#include <stddef.h>

struct lines {
	bool cr;     /* the last octet was a CR: what it is depends on the next */
	bool open;   /* the last line has no end yet */
	bool eight;  /* an octet outside ASCII has passed */
};

void lines_init(struct lines *l);

/* Converts in[0..len) to out, which has room for len + 1 octets. Returns their count. */
size_t lines_convert(struct lines *l, const char *in, size_t len, char *out);

/* At the end: what is still missing, at most 1 octet. */
size_t lines_finish(struct lines *l, char out[1]);

#endif
