/*
 * Address lists of a header field, RFC 5322 3.4 with the obsolete forms of 4.4: comments,
 * folding, groups, quoted strings, routes, "root (Cron Daemon)". Pure.
 */
#ifndef SPOOL_LIST_H
#define SPOOL_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"

struct list_item {
	struct address address; /* unquoted; domain "" where there is none */
	size_t end;             /* where a domain would have to be put in: after the local-part */
};

/* Told of each address, in order. False ends the reading. */
typedef bool list_each(void *context, const struct list_item *item);

/*
 * Reads a field's value. False where something in it is no address, or too long for one
 * (what stood before has been told), or when each() said so.
 */
bool list_read(const char *s, size_t len, list_each *each, void *context);

#endif
