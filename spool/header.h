/*
 * The header of a message that a user's program hands to sendmail: finds the recipients,
 * completes names without a domain, takes out what must not travel, adds what is missing.
 */
#ifndef SPOOL_HEADER_H
#define SPOOL_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/text.h"
#include "spool/order.h"
#include "spool/verdict.h"

struct header_rules {
	bool recipients;        /* -t: they are taken from To, Cc and Bcc */
	const char *domain;     /* of names without one */
	const char *host, *id;  /* of a Message-ID that is missing */
	const char *from;       /* the address of a From that is missing */
	const char *name;       /* and its name, or "" */
};

/* True when a line is a header field: a name, perhaps blanks, a colon. */
bool header_is_field(const char *line, size_t len);

/*
 * Writes head[0..len), whole lines ending in LF, to f as it is to be sent, and with
 * rules->recipients adds the addresses to o. False: v says what is wrong in it.
 */
bool header_write(FILE *f, const char *head, size_t len, const struct header_rules *rules,
                  struct order *o, struct verdict *v);

#endif
