/*
 * The verifier file auth/DOMAIN/LOCAL (postern-state(5)): what proves a password
 * without holding it. Text, one `KEY value` a line.
 */
#ifndef AUTH_VERIFIER_H
#define AUTH_VERIFIER_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/key.h"
#include "base/limits.h"
#include "base/text.h"

/* Octets of a whole file, the NUL included. */
#define VERIFIER_MAX 2048
/* An argon2id string of libsodium, the NUL included. */
#define VERIFIER_ARGON2ID 128
#define VERIFIER_SALT 64
#define VERIFIER_HASH 32
/* A sealed secret of 32 octets in base64, the NUL included. */
#define VERIFIER_SEALED 97
#define VERIFIER_SECRET 32
/* Client certificates of one login: SHA-256, hexadecimal. */
#define VERIFIER_CERTIFICATES 8
#define VERIFIER_FINGERPRINT 65

/* RFC 5802 3. */
struct verifier_scram {
	uint32_t iterations;           /* 0 = there is none */
	size_t salt_len;
	unsigned char salt[VERIFIER_SALT];
	unsigned char stored[VERIFIER_HASH], server[VERIFIER_HASH];
};

/* "" or 0 for what is not there. */
struct verifier {
	char argon2id[VERIFIER_ARGON2ID];
	struct verifier_scram scram;
	char cram_md5[VERIFIER_SEALED];
	char digest_realm[LIMIT_DOMAIN + 1];
	char digest_md5[VERIFIER_SEALED];
	bool disabled;
	unsigned n_certificates;
	char certificate[VERIFIER_CERTIFICATES][VERIFIER_FINGERPRINT];
	char changed[32];
};

/* Reads a file's content. NULL, or what is wrong with it (and *v is of no use). */
const char *verifier_parse(struct verifier *v, const char *content);

/* The content of the file. */
void verifier_print(struct text *t, const struct verifier *v);

/*
 * Sets argon2id, scram-sha-256 and changed for a prepared password (saslprep.h) and
 * takes away what proved an older one. False where memory is missing.
 */
bool verifier_set_password(struct verifier *v, const char *password);

/* The two halves of that. */
bool verifier_set_argon2id(struct verifier *v, const char *password);
void verifier_set_scram(struct verifier *v, const char *password);

/* True where the argon2id string costs an attacker less than one made today. */
bool verifier_is_weak(const struct verifier *v);

/*
 * An argon2id string of today's cost that no password proves, and SCRAM values that
 * are always the same for `name`: whoever asks can't tell that there is no such login.
 */
void verifier_decoy(struct verifier *v, const unsigned char key[KEY_SIZE], const char *name);

/* Sealing of legacy secrets (crypto_secretbox_easy) under a key derived for `purpose`. */
void verifier_seal(char out[VERIFIER_SEALED], const unsigned char secret[VERIFIER_SECRET],
                   const unsigned char key[KEY_SIZE], const char *purpose);
bool verifier_open(unsigned char secret[VERIFIER_SECRET], const char *sealed,
                   const unsigned char key[KEY_SIZE], const char *purpose);

/* 64 hexadecimal digits, colons between octets allowed, into lower case. */
bool parse_fingerprint(char out[VERIFIER_FINGERPRINT], const char *s);

#endif
