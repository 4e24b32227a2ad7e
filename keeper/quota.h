/*
 * Quota per mailbox, kept in Maildir++'s file `maildirsize` so that readers
 * (Dovecot, Courier) and we count alike. A race of two deliveries may pass the
 * quota by one message; Maildir++ means it so.
 */
#ifndef KEEPER_QUOTA_H
#define KEEPER_QUOTA_H

#include <stdint.h>

#include "base/boundary.h"
#include "base/conf.h"

/*
 * May `size` more octets go into the mailbox at path (beneath state)? ANSWER_YES,
 * ANSWER_FULL (not now), ANSWER_NEVER_FITS. Without a quota it opens nothing.
 */
enum answer quota_check(int state, const char *path, const struct domain *d,
                        uint64_t size);

/* Counts one message of size octets that has been delivered. */
void quota_add(int state, const char *path, const struct domain *d, uint64_t size);

#endif
