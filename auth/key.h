/*
 * The server's own secret, STATE/auth/.key: 32 random octets in hexadecimal, made when
 * first needed. From it come a stable salt for names that nobody has (RFC 5802 9), the
 * keys that seal the verifiers of legacy mechanisms, and those of the failure table.
 */
#ifndef AUTH_KEY_H
#define AUTH_KEY_H

#include <stddef.h>

#define KEY_SIZE 32
#define KEY_FILE ".key"

/* Reads the key in the directory auth/, or makes it. 0, or -1; EBADMSG: damaged. */
int key_load(int auth, unsigned char key[KEY_SIZE]);

/* HMAC-SHA-256 of purpose and text, NUL between: KEY_SIZE octets for one use. */
void key_derive(unsigned char out[KEY_SIZE], const unsigned char key[KEY_SIZE],
                const char *purpose, const char *text);

#endif
