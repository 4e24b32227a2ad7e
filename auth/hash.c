/* See hash.h. Called by SCRAM's messages and by verifiers. */
#include "auth/hash.h"

#include <sodium.h>
#include <string.h>

_Static_assert(HASH_SIZE == crypto_auth_hmacsha256_BYTES, "SHA-256");

void
hash_hmac(unsigned char out[HASH_SIZE], const unsigned char key[HASH_SIZE], const char *text)
{
	crypto_auth_hmacsha256_state s;

	crypto_auth_hmacsha256_init(&s, key, HASH_SIZE);
	crypto_auth_hmacsha256_update(&s, (const unsigned char *)text, strlen(text));
	crypto_auth_hmacsha256_final(&s, out);
	sodium_memzero(&s, sizeof s);
}

void
hash_add_base64(struct text *t, const unsigned char *data, size_t len)
{
	char out[HASH_BASE64 / 3 * 4 + 1];

	text_add(t, sodium_bin2base64(out, sizeof out, data, len, sodium_base64_VARIANT_ORIGINAL));
	sodium_memzero(out, sizeof out);
}
