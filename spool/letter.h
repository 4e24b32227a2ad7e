/*
 * A message as a mail program pipes it into sendmail: its header is completed as it passes
 * (header.h), its line ends are made ours (lines.h), and without -i a line that holds only
 * a dot ends it.
 */
#ifndef SPOOL_LETTER_H
#define SPOOL_LETTER_H

#include <stdbool.h>
#include <stddef.h>

#include "spool/header.h"
#include "spool/lines.h"
#include "spool/stage.h"

struct letter {
	const struct header_rules *rules;
	struct order *order;
	struct stage *stage;
	struct verdict *v;
	bool dots;             /* a dot alone ends it */
	/* the rest is letter.c's own */
	struct lines lines;
	bool line_start, dot, ended;
	bool in_body;
	char *head;            /* of LIMIT_HEADER octets */
	size_t len, line;      /* of head; where the last line in it begins */
};

/* Takes everything from fd, to its end or the dot. False: l->v says what is wrong. */
bool letter_read(struct letter *l, int fd);

/* The same in steps, for tests: octets, split anywhere, and their end. */
bool letter_open(struct letter *l);
bool letter_feed(struct letter *l, const char *buf, size_t len);
bool letter_finish(struct letter *l);
void letter_close(struct letter *l);

#endif
