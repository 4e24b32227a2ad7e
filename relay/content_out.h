/*
 * The way out of a message: pieces of lines and line ends become the octets of the
 * wire, plain, dot-stuffed (RFC 5321 4.5.2), or first encoded (RFC 2045 6.7, 6.8).
 * Constant memory; where pieces begin and end makes no difference.
 */
#ifndef RELAY_CONTENT_OUT_H
#define RELAY_CONTENT_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes octets; false: no more are wanted. */
typedef bool content_sink(void *arg, const char *s, size_t len);

struct content_out {
	content_sink *sink;
	void *arg;
	bool stuff;       /* double a dot at the start of a line */
	bool at_start;    /* of a line */
	uint64_t drop;    /* of what follows so many octets are not sent; dots not counted */
	bool stopped;     /* the sink wants no more */
	unsigned column;  /* encoding: octets of the line so far */
	char blank;       /* quoted-printable: a blank held back, it may end the line */
	unsigned n_held;  /* base64: octets held back */
	unsigned char held[3];
};

void content_out_init(struct content_out *o, bool stuff, content_sink *sink, void *arg);

/* Octets without line ends; a line end. */
void content_text(struct content_out *o, const char *s, size_t len);
void content_eol(struct content_out *o);
/* Octets as they are, line ends among them. */
void content_raw(struct content_out *o, const char *s, size_t len);

/* The same, quoted-printable. */
void content_qp_text(struct content_out *o, const char *s, size_t len);
void content_qp_eol(struct content_out *o);
void content_qp_end(struct content_out *o);

/* Octets in base64; line ends that are to be in it are passed as octets. */
void content_base64(struct content_out *o, const char *s, size_t len);
void content_base64_end(struct content_out *o);

#endif
