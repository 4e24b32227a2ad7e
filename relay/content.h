/*
 * The message on its way: the stored file (base/envelope.h) as the octets that go out.
 * Lines end in CRLF, a bare CR or LF never leaves us; only what a client has sent as
 * BINARYMIME goes out untouched, and only to who takes that. Memory is constant, and one
 * message is open at a time.
 */
#ifndef RELAY_CONTENT_H
#define RELAY_CONTENT_H

#include "relay/content_file.h"
#include "relay/content_out.h"
#include "relay/content_plan.h"

enum content_form {
	CONTENT_LINES,     /* as it is, lines ended by CRLF */
	CONTENT_CONVERTED, /* so, with the plan's changes */
	CONTENT_BINARY,    /* BODY=BINARYMIME; the header section alone has its ends mended */
};

struct content {
	uint64_t skip, end;  /* what travels of the file */
	bool raw;            /* stored as it came */
	bool high;           /* octets that are not ASCII go out */
	uint64_t header_end; /* raw: where the header section of the message ends */
	enum content_form form;
	uint64_t size;       /* octets that go out, dot-stuffing not counted (RFC 1870 5) */
	struct content_file file;
	struct content_plan plan;
};

/*
 * Looks through the file once: form is LINES, or BINARY for what is raw. False: it can't
 * be read, or is not as long as size says.
 */
bool content_open(struct content *c, int fd, uint64_t skip, uint64_t size, bool raw);

enum content_fit {
	CONTENT_FITS,    /* form and size are set anew */
	CONTENT_NEVER,   /* plan.why says why it can't be converted */
	CONTENT_FAILED,  /* it can't be read */
};

/* Makes it fit for a hop that takes binary messages, or 8bit lines, or 7bit ones. */
enum content_fit content_fit(struct content *c, bool binary, enum content_level level);

/*
 * Sends all but the first `from` octets to the sink; stuff: with dots doubled, which do not
 * count for `from`. What goes out ends in CRLF, unless it
 * is empty or binary. False: the file could not be read, or the sink wanted no more.
 */
bool content_write(struct content *c, uint64_t from, bool stuff, content_sink *sink,
                   void *arg);

#endif
