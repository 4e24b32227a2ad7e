/*
 * The data machine once more, slow and simple: the whole message at once, line by
 * line, octet by octet. session/stream.c must agree with it however the octets are
 * cut. Written from RFC 5321 2.3.8, 4.1.1.4 and 4.5.2, not from stream.c.
 */
#ifndef TESTS_FUZZ_REFERENCE_H
#define TESTS_FUZZ_REFERENCE_H

#include <string.h>

#include "session/stream.h"

struct reference {
	size_t used;   /* octets up to and with the final dot, or all */
	size_t out;    /* octets to store; they mean nothing when bare */
	bool end;      /* the final dot was there */
	bool bare;     /* a CR or LF that is not CRLF; pending says "not known yet" */
	bool pending;  /* the last octet is a CR that may still find its LF */
	uint64_t size; /* canonical: CRLF, no dot-stuffing */
};

/* Octets from in[at] to the next CRLF, or to the end. */
static inline size_t
reference_line(const char *in, size_t at, size_t len)
{
	size_t i = at;

	while (i < len && !(in[i] == '\r' && i + 1 < len && in[i + 1] == '\n'))
		i++;
	return i - at;
}

/* out has room for len octets. */
static inline struct reference
reference_eat(enum stream_mode mode, const char *in, size_t len, char *out)
{
	struct reference r = { 0 };

	if (mode == STREAM_BINARY) {
		memcpy(out, in, len);
		return (struct reference){ .used = len, .out = len, .size = len };
	}
	while (r.used < len && !r.end) {
		const char *line = in + r.used;
		size_t n = reference_line(in, r.used, len);
		bool whole = r.used + n < len;

		r.used += n + (whole ? 2 : 0);
		if (mode == STREAM_DATA && whole && n == 1 && *line == '.') {
			r.end = true;
			break;
		}
		if (mode == STREAM_DATA && n > 0 && *line == '.') {
			line++; /* RFC 5321 4.5.2: the first dot of any line is not data */
			n--;
		}
		if (!whole && n > 0 && line[n - 1] == '\r') {
			r.pending = true;
			n--;
		}
		for (size_t i = 0; i < n; i++) {
			r.bare |= line[i] == '\r' || line[i] == '\n';
			out[r.out++] = line[i];
		}
		r.size += n;
		if (whole) {
			out[r.out++] = '\n';
			r.size += 2;
		}
	}
	return r;
}

#endif
