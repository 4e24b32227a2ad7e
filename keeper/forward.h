/*
 * forward files: one address a line; empty lines and lines that begin with "#"
 * do not count. A mailbox with a forward file keeps a copy only when its own
 * address is among them.
 */
#ifndef KEEPER_FORWARD_H
#define KEEPER_FORWARD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"

struct forward {
	size_t at, len;
	unsigned line;                     /* of the last address read, from 1 */
	char text[LIMIT_FORWARD_FILE + 1];
};

/*
 * Reads the file "forward" in a mailbox directory, relative to dir as in
 * mailbox_open(). 0: read; 1: there is none; -1 with errno (EFBIG: over
 * LIMIT_FORWARD_FILE).
 */
int forward_open(struct forward *f, int dir, const char *path);

enum forward_line {
	FORWARD_ADDRESS,
	FORWARD_BAD,   /* line f->line is no address */
	FORWARD_END,
};

/* The next address. */
enum forward_line forward_next(struct forward *f, struct address *a);

#endif
