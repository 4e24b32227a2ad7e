/* qmail-queue(8)'s interface: the message on descriptor 0, then the envelope on 1. */
#ifndef SPOOL_QMAIL_H
#define SPOOL_QMAIL_H

#include <stdbool.h>

/*
 * Where words about a failure are wanted: the descriptor that ERROR_FD names, or 6 where a
 * pipe or socket is open there. Call first, before anything is opened.
 */
void qmail_find_error_fd(void);

enum qmail_kind {
	QMAIL_PLAIN,
	QMAIL_REQUIRETLS, /* it must travel by REQUIRETLS (RFC 8689) */
	QMAIL_QUEUED,     /* the envelope is a file of base/envelope.h: all it says goes on */
};

/*
 * Does it with the configuration in file. What is not plain only STATE's owner may ask for.
 * The exit code, of qmail-queue(8).
 */
int qmail_run(const char *file, enum qmail_kind kind);

#endif
