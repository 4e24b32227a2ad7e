/*
 * The data machine: turns what follows DATA or BDAT into the stored form, in
 * place. Pure; knows no descriptor. Lines end in LF when stored; only CRLF ends
 * a line on the wire, and only CRLF "." CRLF ends DATA (RFC 5321 4.1.1.4, 2.3.8).
 */
#ifndef SESSION_STREAM_H
#define SESSION_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stream_mode {
	STREAM_DATA,   /* dot-stuffed, ended by a dot (RFC 5321 4.5.2) */
	STREAM_CHUNK,  /* BDAT: counted octets, no dots (RFC 3030) */
	STREAM_BINARY, /* BDAT after BODY=BINARYMIME: stored as they come */
};

struct stream {
	enum stream_mode mode;
	int state;     /* private to stream.c; survives the ends of buffers */
	bool bare;     /* a CR or LF that was not part of CRLF has been seen */
	/* Octets in canonical form: CRLF, no dot-stuffing (RFC 1870 5); bare ones too. */
	uint64_t size;
};

struct stream_step {
	size_t used; /* octets of buf taken */
	size_t out;  /* octets at the start of buf to be stored */
	bool end;    /* the final dot was among them; never set but for STREAM_DATA */
};

void stream_init(struct stream *st, enum stream_mode mode);

/*
 * Takes octets of buf[0..len), leaving what is to be stored at its start. Uses all
 * of them unless the end comes first. Once `bare` is set, what is stored no
 * longer matters: the message must be refused.
 */
struct stream_step stream_eat(struct stream *st, char *buf, size_t len);

/* At the end of the last chunk: a CR still waiting for its LF is a bare one. */
void stream_finish(struct stream *st);

#endif
