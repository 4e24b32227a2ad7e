/*
 * See verifier.h. libsodium's primitives only. Called where a password is set, at
 * every log-in, and by `postern check`.
 */
#include "auth/verifier.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#include "auth/hash.h"
#include "base/num.h"

/*
 * libsodium's INTERACTIVE cost (64 MiB, 2 passes; OWASP asks for 19 MiB, 2 passes):
 * mail programs log in at every look for mail, and each runs in a process of its
 * own; at MODERATE (256 MiB) four at once would use up a small host.
 */
#define OPS crypto_pwhash_argon2id_OPSLIMIT_INTERACTIVE
#define MEMORY crypto_pwhash_argon2id_MEMLIMIT_INTERACTIVE

/*
 * RFC 7677 4 asks for 4096 or more. In SCRAM the client does this work, once a
 * login, and who steals the file attacks the cheapest line: so as many as a slow
 * client does in a fraction of a second.
 */
/* As many as Cyrus SASL is willing to compute: with more its clients, Postfix among them, fail. */
#define ITERATIONS 65536
#define SALT 16
#define HASH crypto_hash_sha256_BYTES

_Static_assert(VERIFIER_ARGON2ID >= crypto_pwhash_argon2id_STRBYTES, "room for libsodium's");
_Static_assert(VERIFIER_HASH == HASH, "SHA-256");

/* RFC 5802 2.2: Hi(), which is PBKDF2 with HMAC-SHA-256 and one block of output. */
static void
stretch(unsigned char out[HASH], const char *password, const struct verifier_scram *scram)
{
	static const unsigned char one[4] = { 0, 0, 0, 1 };
	crypto_auth_hmacsha256_state keyed, s;
	unsigned char u[HASH];

	crypto_auth_hmacsha256_init(&keyed, (const unsigned char *)password, strlen(password));
	s = keyed; /* the key's own blocks are hashed once, not at every round */
	crypto_auth_hmacsha256_update(&s, scram->salt, scram->salt_len);
	crypto_auth_hmacsha256_update(&s, one, sizeof one);
	crypto_auth_hmacsha256_final(&s, u);
	memcpy(out, u, HASH);
	for (uint32_t i = 1; i < scram->iterations; i++) {
		s = keyed;
		crypto_auth_hmacsha256_update(&s, u, HASH);
		crypto_auth_hmacsha256_final(&s, u);
		for (unsigned j = 0; j < HASH; j++)
			out[j] ^= u[j];
	}
	sodium_memzero(&keyed, sizeof keyed);
	sodium_memzero(&s, sizeof s);
	sodium_memzero(u, sizeof u);
}

/* RFC 5802 3: StoredKey and ServerKey; the ClientKey is not kept. */
void
verifier_set_scram(struct verifier *v, const char *password)
{
	unsigned char salted[HASH], client[HASH];

	v->scram.iterations = ITERATIONS;
	v->scram.salt_len = SALT;
	randombytes_buf(v->scram.salt, SALT);
	stretch(salted, password, &v->scram);
	hash_hmac(client, salted, "Client Key");
	crypto_hash_sha256(v->scram.stored, client, sizeof client);
	hash_hmac(v->scram.server, salted, "Server Key");
	sodium_memzero(salted, sizeof salted);
	sodium_memzero(client, sizeof client);
}

bool
verifier_set_argon2id(struct verifier *v, const char *password)
{
	errno = ENOMEM;
	return sodium_init() != -1 &&
	       crypto_pwhash_argon2id_str(v->argon2id, password, strlen(password), OPS,
	                                  MEMORY) == 0;
}

bool
verifier_set_password(struct verifier *v, const char *password)
{
	time_t now = time(NULL);
	struct tm tm;

	if (!verifier_set_argon2id(v, password) || gmtime_r(&now, &tm) == NULL ||
	    strftime(v->changed, sizeof v->changed, "%FT%TZ", &tm) == 0)
		return false;
	verifier_set_scram(v, password);
	v->cram_md5[0] = v->digest_realm[0] = v->digest_md5[0] = '\0';
	return true;
}

/* The number behind "name=" of an argon2id string; 0 where it is missing. */
static uint64_t
cost(const char *argon2id, const char *name)
{
	const char *at = strstr(argon2id, name);
	char digits[12];
	struct text t;
	uint64_t n;

	if (at == NULL)
		return 0;
	at += strlen(name);
	text_init(&t, digits, sizeof digits);
	text_addn(&t, at, strspn(at, "0123456789"));
	return text_ok(&t) && parse_u64(digits, UINT32_MAX, &n) ? n : 0;
}

bool
verifier_is_weak(const struct verifier *v)
{
	return v->argon2id[0] != '\0' && (cost(v->argon2id, "$m=") < MEMORY / 1024 ||
	                                  cost(v->argon2id, ",t=") < OPS);
}

/* Base64 as argon2id strings have it: without padding. */
static void
add_unpadded(struct text *t, const unsigned char *data, size_t len)
{
	char out[64];

	text_add(t, sodium_bin2base64(out, sizeof out, data, len,
	                              sodium_base64_VARIANT_ORIGINAL_NO_PADDING));
}

void
verifier_decoy(struct verifier *v, const unsigned char key[KEY_SIZE], const char *name)
{
	unsigned char a[KEY_SIZE];
	struct text t;

	memset(v, 0, sizeof *v);
	key_derive(a, key, "decoy argon2id", "");
	text_init(&t, v->argon2id, sizeof v->argon2id);
	text_add(&t, "$argon2id$v=19$m=");
	text_addu(&t, MEMORY / 1024);
	text_add(&t, ",t=");
	text_addu(&t, OPS);
	text_add(&t, ",p=1$");
	add_unpadded(&t, a, SALT);
	text_addc(&t, '$');
	add_unpadded(&t, a, sizeof a);
	v->scram.iterations = ITERATIONS;
	v->scram.salt_len = SALT;
	key_derive(a, key, "decoy salt", name);
	memcpy(v->scram.salt, a, SALT);
	key_derive(v->scram.stored, key, "decoy stored", name);
	key_derive(v->scram.server, key, "decoy server", name);
	sodium_memzero(a, sizeof a);
}

void
verifier_seal(char out[VERIFIER_SEALED], const unsigned char secret[VERIFIER_SECRET],
              const unsigned char key[KEY_SIZE], const char *purpose)
{
	unsigned char box[crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES +
	                  VERIFIER_SECRET];
	unsigned char k[KEY_SIZE];

	_Static_assert(VERIFIER_SEALED == sizeof box / 3 * 4 + 1, "no padding either");
	_Static_assert(KEY_SIZE == crypto_secretbox_KEYBYTES, "one key fits");
	key_derive(k, key, purpose, "");
	randombytes_buf(box, crypto_secretbox_NONCEBYTES);
	(void)crypto_secretbox_easy(box + crypto_secretbox_NONCEBYTES, secret, VERIFIER_SECRET,
	                            box, k); /* fails for huge lengths only */
	sodium_bin2base64(out, VERIFIER_SEALED, box, sizeof box, sodium_base64_VARIANT_ORIGINAL);
	sodium_memzero(k, sizeof k);
}

bool
verifier_open(unsigned char secret[VERIFIER_SECRET], const char *sealed,
              const unsigned char key[KEY_SIZE], const char *purpose)
{
	unsigned char box[crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES +
	                  VERIFIER_SECRET];
	unsigned char k[KEY_SIZE];
	size_t len;
	bool good;

	if (sodium_base642bin(box, sizeof box, sealed, strlen(sealed), NULL, &len, NULL,
	                      sodium_base64_VARIANT_ORIGINAL) == -1 || len != sizeof box)
		return false;
	key_derive(k, key, purpose, "");
	good = crypto_secretbox_open_easy(secret, box + crypto_secretbox_NONCEBYTES,
	                                  sizeof box - crypto_secretbox_NONCEBYTES, box, k) == 0;
	sodium_memzero(k, sizeof k);
	return good;
}
