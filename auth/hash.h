/* Small steps that several modules take with libsodium. */
#ifndef AUTH_HASH_H
#define AUTH_HASH_H

#include "base/text.h"

#define HASH_SIZE 32

/* HMAC-SHA-256 of a string under a key of HASH_SIZE octets. */
void hash_hmac(unsigned char out[HASH_SIZE], const unsigned char key[HASH_SIZE],
               const char *text);

/* Appends base64 with padding (RFC 4648 4); len is at most HASH_BASE64. */
#define HASH_BASE64 96
void hash_add_base64(struct text *t, const unsigned char *data, size_t len);

#endif
