/*
 * systemd-journald's own protocol (one datagram, a field a line), so that a line of the log can be
 * found by what is in it: journalctl POSTERN_ID=6b032d3700001.1.1. See base/log.h.
 */
#ifndef BASE_JOURNAL_H
#define BASE_JOURNAL_H

#include <stdbool.h>

#include "base/text.h"

/* A datagram socket connected to the journal; -1 with errno where there is none. */
int journal_open(void);

/*
 * line is what log.h has made: MESSAGE has it whole, and each of its fields is one more,
 * `event=sent id=x` POSTERN_EVENT and POSTERN_ID. Of quoted values \" and \\ are undone; \xNN
 * stays, so no value holds a line end. Keys are ours: letters and hyphens, which become _.
 */
void journal_text(struct text *t, const char *line, int level, const char *identifier);

/*
 * Sends that without waiting. False: the journal has too much to do, or is gone. Not in log.c, whose
 * callers are not to touch the pages of its buffer (DESIGN.md, "Pages").
 */
bool journal_send(int fd, const char *line, int level, const char *identifier);

#endif
