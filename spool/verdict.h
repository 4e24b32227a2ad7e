/*
 * What became of a message that was handed in: qmail-queue(8)'s exit codes, which are
 * spool's own, with words and a status (RFC 3463) for who reads more than a number.
 */
#ifndef SPOOL_VERDICT_H
#define SPOOL_VERDICT_H

#include "base/limits.h"

enum spool_code {
	SPOOL_DONE = 0,
	SPOOL_TOO_LONG = 11,  /* an address; 11 to 40 are permanent */
	SPOOL_REFUSED = 31,
	SPOOL_MEMORY = 51,
	SPOOL_TIMEOUT = 52,
	SPOOL_WRITE = 53,     /* disk full, too */
	SPOOL_READ = 54,      /* message or envelope */
	SPOOL_CONF = 55,
	SPOOL_STATE = 61,     /* STATE cannot be used */
	SPOOL_LATER = 71,
	SPOOL_NO_DOOR = 73,   /* nobody answers on the socket */
	SPOOL_LOST = 74,      /* somebody did, and went away */
	SPOOL_CUSTOM_FD6 = 82,  /* notqmail: a line on descriptor 6 says more */
	SPOOL_CUSTOM_ENV = 88,  /* the same where ERROR_FD names the descriptor */
	SPOOL_ENVELOPE = 91,
};

struct verdict {
	int code;
	char status[8];              /* "5.1.1" */
	char text[LIMIT_REPLY];      /* for a person; cut when too long */
	char id[LIMIT_ID + 1];       /* of a message that was taken */
};

/* Sets v to code; the words are `what`, and `of` behind a colon unless it is "". */
void verdict_set(struct verdict *v, int code, const char *status, const char *what,
                 const char *of);

/* The sysexits.h code that says the same. */
int verdict_sysexit(const struct verdict *v);

/* 4yz or 5yz? A code of qmail-queue(8) tells. */
static inline int
verdict_is_permanent(const struct verdict *v)
{
	return v->code >= 11 && v->code <= 40;
}

#endif
