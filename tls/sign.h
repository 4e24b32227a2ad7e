/*
 * What the key holder does with a request: checks that it is something a TLS handshake
 * has to have signed, and signs it. A request is an operation, the key's number, and the
 * octets to sign; an answer is the signature. Nothing is ever decrypted.
 */
#ifndef TLS_SIGN_H
#define TLS_SIGN_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/limits.h"

/* Most keys at once: those of every name. */
#define SIGN_KEYS (LIMIT_TLS_NAMES * LIMIT_CERTS)
/* The modulus of an RSA key of 8192 bits; larger keys are refused. */
#define SIGN_MAX 1024

enum sign_operation {
	SIGN_RSA_PSS = 'P',   /* a whole block of RFC 8017 9.1.1 (TLS 1.3, and 1.2) */
	SIGN_RSA_PKCS1 = 'D', /* a DigestInfo of RFC 8017 9.2 (TLS 1.2) */
	SIGN_ECDSA = 'E',     /* a hash */
};

struct sign_keys {
	unsigned n;
	EVP_PKEY *key[SIGN_KEYS]; /* private, RSA or EC */
};

/* True for a key that can be held: RSA of 2048 to 8192 bits, or EC. */
bool is_signable(const EVP_PKEY *key);

/*
 * Checks and signs a request of len octets. Returns the length of the signature in
 * answer, 0 for what is refused.
 */
size_t sign_request(const struct sign_keys *keys, const unsigned char *request, size_t len,
                    unsigned char answer[SIGN_MAX]);

/* True for a block of PSS with SHA-256, 384 or 512 and a salt of the hash's length. */
bool is_pss_block(const unsigned char *block, size_t len, unsigned bits);

/* True for the DigestInfo of SHA-256, 384 or 512. */
bool is_digest_info(const unsigned char *info, size_t len);

#endif
