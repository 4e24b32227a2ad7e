/*
 * What the two legacy mechanisms need of MD5, by libmd: their secrets as they are
 * stored, neither of them the password, both good for logging in with that mechanism.
 */
#ifndef AUTH_MD5_H
#define AUTH_MD5_H

#include <stdbool.h>
#include <stddef.h>

#include "auth/verifier.h"

#define MD5_SIZE 16
#define MD5_HEX 33 /* the NUL included */

/* RFC 2104 4: the states behind the inner and the outer key block; 32 octets. */
void md5_cram_secret(unsigned char secret[VERIFIER_SECRET], const char *password);

/* HMAC-MD5 of text under such a secret, as RFC 2195 sends it: lower-case hexadecimal. */
void md5_cram_response(char out[MD5_HEX], const unsigned char secret[VERIFIER_SECRET],
                       const char *text);

/*
 * RFC 2831 2.1.2.1: H(username ":" realm ":" password), then zeros. Username and
 * password each become ISO 8859-1 where they can. False: too long.
 */
bool md5_digest_secret(unsigned char secret[VERIFIER_SECRET], const char *user,
                       const char *realm, const char *password);

/* What a DIGEST-MD5 response is computed from; "" where the client left it out. */
struct md5_digest {
	const char *nonce, *cnonce, *nc, *uri, *authorize;
};

/* response-value with a2 "AUTHENTICATE:", rspauth with ":" (RFC 2831 2.1.2.1, 2.1.3). */
void md5_digest_response(char out[MD5_HEX], const unsigned char secret[VERIFIER_SECRET],
                         const struct md5_digest *d, const char *a2);

#endif
