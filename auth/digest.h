/* The digest-response of DIGEST-MD5, read strictly (RFC 2831 2.1.2, 7.1). */
#ifndef AUTH_DIGEST_H
#define AUTH_DIGEST_H

#include <stdbool.h>

#include "auth/attempt.h"

/* Longest value of a directive, unquoted. */
#define DIGEST_VALUE 512

/* "" for what was not sent. */
struct digest {
	char username[DIGEST_VALUE], realm[DIGEST_VALUE], nonce[DIGEST_VALUE];
	char cnonce[DIGEST_VALUE], nc[16], qop[16], uri[DIGEST_VALUE], response[40];
	char charset[16], authorize[DIGEST_VALUE], maxbuf[16], cipher[16];
};

/*
 * False: no digest-response, a directive twice, a needed one missing, nc not 1, or
 * another qop than auth.
 */
bool digest_read(struct digest *d, const struct message *m);

#endif
