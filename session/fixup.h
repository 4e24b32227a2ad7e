/*
 * What submission does to a message's header as it passes by (RFC 6409 8): Bcc goes,
 * Date and Message-ID come where they are missing. Pure.
 */
#ifndef SESSION_FIXUP_H
#define SESSION_FIXUP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

/* Octets of a line's start that are held back until its field is known. */
#define FIXUP_HOLD 16

typedef void fixup_write(void *context, const char *buf, size_t len);

struct fixup {
	fixup_write *write;
	void *context;
	const char *id, *host;  /* of the Message-ID, should it be missing */
	bool done;              /* the header has passed */
	bool crlf;              /* lines of a BINARYMIME message end so */
	bool has_date, has_id;
	bool drop;              /* the field that is passing */
	bool in_line;           /* its name is known: on to the line's end */
	bool cr;                /* its last octet so far */
	size_t held;
	char hold[FIXUP_HOLD];
};

/* id and host stay the caller's until the end. */
void fixup_init(struct fixup *f, const char *id, const char *host, fixup_write *write,
                void *context);

/* Octets of the stored form, in order, split anywhere; what stays goes to write(). */
void fixup_feed(struct fixup *f, const char *buf, size_t len);

/* The message is at its end: a header without a body after it ends here. */
void fixup_finish(struct fixup *f);

#endif
