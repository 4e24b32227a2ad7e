/* The names of partial.h's files: hashes, so nothing a client says becomes a path. */
#include <sodium/crypto_hash_sha256.h>
#include <string.h>

#include "keeper/partial.h"

static void
add_hash(struct text *t, const char *const parts[], unsigned n, unsigned digits)
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state s;

	(void)crypto_hash_sha256_init(&s); /* none of the three can fail */
	for (unsigned i = 0; i < n; i++) /* with its NUL: "ab" "c" is not "a" "bc" */
		(void)crypto_hash_sha256_update(&s, (const unsigned char *)parts[i],
		                                strlen(parts[i]) + 1);
	(void)crypto_hash_sha256_final(&s, hash);
	for (unsigned i = 0; i < digits / 2; i++)
		text_addx(t, hash[i], 2);
}

void
partial_key(char key[PARTIAL_KEY + 1], const char *owner, const char *helo,
            const char *transid)
{
	const char *const parts[] = { owner, helo, transid };
	struct text t;

	text_init(&t, key, PARTIAL_KEY + 1);
	add_hash(&t, parts, 1, PARTIAL_OWNER_KEY);
	text_addc(&t, '-');
	add_hash(&t, parts, 3, PARTIAL_KEY - 1 - PARTIAL_OWNER_KEY);
}

void
partial_name(char name[PARTIAL_NAME], const struct partial *p, const char *id,
             const char *suffix)
{
	struct text t;

	/* An id is LIMIT_ID octets at most: it fits. */
	text_init(&t, name, PARTIAL_NAME);
	text_add(&t, p->key);
	if (id[0] != '\0') {
		text_addc(&t, '.');
		text_add(&t, id);
	}
	text_add(&t, suffix);
}
