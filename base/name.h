/*
 * The one way from an address to a directory name (DESIGN.md, "Files"). Nothing
 * else builds a path from what a client or an administrator typed. The result is
 * never "", "." or "..", holds no "/", and is at most LIMIT_NAME octets.
 */
#ifndef BASE_NAME_H
#define BASE_NAME_H

#include <stdbool.h>

#include "base/limits.h"

/*
 * A domain as A-labels in ASCII lower case (IDNA2008 by libidn2). False where the
 * name is no valid domain; a literal ("[192.0.2.1]") has no directory.
 */
bool name_domain(char out[LIMIT_NAME + 1], const char *domain);

/*
 * The queue of a domain, beneath STATE/spool: as name_domain(), and a literal with every
 * octet outside a-z 0-9 . - as %XX. False where it is neither.
 */
bool name_queue(char out[LIMIT_NAME + 1], const char *domain);

/*
 * A local-part: NFC, ASCII lower case, "+tag" cut off, then every octet outside
 * a-z 0-9 _ = . - and a leading dot as %XX. False where nothing is left, it is no
 * UTF-8, or too long.
 */
bool name_mailbox(char out[LIMIT_NAME + 1], const char *local);

/* The octet that a %XX at s stands for; false where there is none. */
bool name_octet(char *octet, const char *s);

/* The address a mailbox directory name stands for: undoes %XX. False if malformed. */
bool name_to_local(char out[LIMIT_LOCAL + 1], const char *name);

/* What can be part of a file's name: letters, digits, . - _. Never "", hidden or a path. */
bool name_is_plain(const char *s);

#endif
