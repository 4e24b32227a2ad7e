/*
 * A message on its way in, kept until its envelope is known: in memory, or, when it
 * grows, in a file without a name.
 */
#ifndef SPOOL_STAGE_H
#define SPOOL_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spool/verdict.h"

struct stage {
	int fd;          /* reading and writing, its offset at the end */
	int dir;         /* where a file may be made, -1: $TMPDIR, /var/tmp or /tmp */
	bool in_memory;
	uint64_t size, limit;
};

/* Starts an empty one for at most `limit` octets. True, or v says why not. */
bool stage_open(struct stage *s, int dir, uint64_t limit, struct verdict *v);

bool stage_write(struct stage *s, const char *buf, size_t len, struct verdict *v);

/* Writes all that comes from fd, to its end. */
bool stage_copy(struct stage *s, int fd, struct verdict *v);

void stage_close(struct stage *s);

#endif
