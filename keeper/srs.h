/*
 * The Sender Rewriting Scheme: mail that a forward file sends on to another host gets a
 * sender of ours, SRS0=HASH=TT=DOMAIN=LOCAL@OURS, so that SPF (RFC 7208) holds there; a
 * bounce to it is sent back to LOCAL@DOMAIN. The hash (HMAC-SHA-256 under STATE/srs.key)
 * keeps strangers from using us to reach anybody.
 */
#ifndef KEEPER_SRS_H
#define KEEPER_SRS_H

#include <stdbool.h>
#include <time.h>

#include "base/address.h"

#define SRS_KEY 32

/* Reads STATE/srs.key, made when it is missing. 0, or -1 with errno. */
int srs_key(int state, unsigned char key[SRS_KEY]);

/*
 * What sender becomes behind `domain`; a sender that is rewritten already becomes SRS1.
 * False where the result is longer than a local-part may be; *out is then the sender.
 */
bool srs_rewrite(struct address *out, const struct address *sender, const char *domain,
                 const unsigned char key[SRS_KEY], time_t now);

/* True when a local-part begins as such an address does. */
bool is_srs(const char *local);

/* Back to where a bounce belongs. False: not ours, forged, or older than LIMIT_SRS_DAYS. */
bool srs_reverse(struct address *out, const char *local, const unsigned char key[SRS_KEY],
                 time_t now);

#endif
