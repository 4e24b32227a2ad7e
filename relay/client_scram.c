/* See client_scram.h. Names are those of RFC 5802 3. */
#include "relay/client_scram.h"

#include <sodium.h>
#include <string.h>

#include "base/num.h"

#define SALT_MAX 256
#define HMAC_STATE crypto_auth_hmacsha256_state

void
client_scram_nonce(struct client_scram *s)
{
	unsigned char random[CLIENT_SCRAM_NONCE / 4 * 3];

	randombytes_buf(random, sizeof random);
	sodium_bin2base64(s->nonce, sizeof s->nonce, random, sizeof random,
	                  sodium_base64_VARIANT_ORIGINAL);
}

/* client-first-message-bare; RFC 5802 5.1: "," and "=" of a name are written otherwise. */
static void
add_bare(const struct client_scram *s, struct text *out)
{
	text_add(out, "n=");
	for (const char *p = s->login; *p != '\0'; p++) {
		if (*p == ',' || *p == '=')
			text_add(out, *p == ',' ? "=2C" : "=3D");
		else
			text_addc(out, *p);
	}
	text_add(out, ",r=");
	text_add(out, s->nonce);
}

void
client_scram_first(const struct client_scram *s, struct text *out)
{
	text_add(out, "n,,");
	add_bare(s, out);
}

static void
hmac(unsigned char out[CLIENT_SCRAM_DIGEST], const unsigned char *key, size_t key_len,
     const void *data, size_t len)
{
	HMAC_STATE h;

	crypto_auth_hmacsha256_init(&h, key, key_len);
	crypto_auth_hmacsha256_update(&h, data, len);
	crypto_auth_hmacsha256_final(&h, out);
	sodium_memzero(&h, sizeof h);
}

/* Hi() of RFC 5802 2.2. */
static void
salt_password(unsigned char out[CLIENT_SCRAM_DIGEST], const char *password,
              const unsigned char *salt, size_t salt_len, uint64_t iterations)
{
	static const unsigned char one[4] = { 0, 0, 0, 1 };
	unsigned char u[CLIENT_SCRAM_DIGEST];
	HMAC_STATE keyed, h;

	crypto_auth_hmacsha256_init(&keyed, (const unsigned char *)password, strlen(password));
	h = keyed;
	crypto_auth_hmacsha256_update(&h, salt, salt_len);
	crypto_auth_hmacsha256_update(&h, one, sizeof one);
	crypto_auth_hmacsha256_final(&h, u);
	memcpy(out, u, sizeof u);
	for (uint64_t i = 1; i < iterations; i++) {
		h = keyed;
		crypto_auth_hmacsha256_update(&h, u, sizeof u);
		crypto_auth_hmacsha256_final(&h, u);
		for (size_t k = 0; k < sizeof u; k++)
			out[k] ^= u[k];
	}
	sodium_memzero(u, sizeof u);
	sodium_memzero(&keyed, sizeof keyed);
	sodium_memzero(&h, sizeof h);
}

/* Copies the value of "x=..." up to the comma; *p is then behind it. */
static bool
cut_value(const char **p, char name, char *out, size_t cap)
{
	const char *start = *p + 2;
	size_t len;
	struct text t;

	if ((*p)[0] != name || (*p)[1] != '=')
		return false;
	len = strcspn(start, ",");
	text_init(&t, out, cap);
	text_addn(&t, start, len);
	*p = start + len + (start[len] == ',');
	return text_ok(&t);
}

struct challenge {
	char nonce[256];
	unsigned char salt[SALT_MAX];
	size_t salt_len;
	uint64_t iterations;
};

static bool
read_challenge(const struct client_scram *s, const char *p, struct challenge *c)
{
	char salt[SALT_MAX / 3 * 4 + 8], iterations[16];
	size_t own = strlen(s->nonce);

	return cut_value(&p, 'r', c->nonce, sizeof c->nonce) &&
	       strncmp(c->nonce, s->nonce, own) == 0 && c->nonce[own] != '\0' &&
	       cut_value(&p, 's', salt, sizeof salt) &&
	       cut_value(&p, 'i', iterations, sizeof iterations) &&
	       sodium_base642bin(c->salt, sizeof c->salt, salt, strlen(salt), NULL,
	                         &c->salt_len, NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
	       parse_u64(iterations, LIMIT_SCRAM_HIGH, &c->iterations) &&
	       c->iterations >= LIMIT_SCRAM_LOW;
}

bool
client_scram_final(struct client_scram *s, const char *server_first, struct text *out)
{
	static const char client_key[] = "Client Key", server_key[] = "Server Key";
	unsigned char salted[CLIENT_SCRAM_DIGEST], key[CLIENT_SCRAM_DIGEST];
	unsigned char stored[CLIENT_SCRAM_DIGEST], proof[CLIENT_SCRAM_DIGEST];
	char said_buf[LIMIT_SASL + 1024], encoded[64];
	struct challenge c;
	struct text said;

	if (!read_challenge(s, server_first, &c))
		return false;
	text_init(&said, said_buf, sizeof said_buf); /* AuthMessage */
	add_bare(s, &said);
	text_addc(&said, ',');
	text_add(&said, server_first);
	text_add(&said, ",c=biws,r="); /* base64 of "n,," */
	text_add(&said, c.nonce);
	if (!text_ok(&said))
		return false;
	salt_password(salted, s->password, c.salt, c.salt_len, c.iterations);
	hmac(key, salted, sizeof salted, client_key, sizeof client_key - 1);
	crypto_hash_sha256(stored, key, sizeof key);
	hmac(proof, stored, sizeof stored, said.buf, said.len);
	for (size_t i = 0; i < sizeof proof; i++)
		proof[i] ^= key[i];
	hmac(key, salted, sizeof salted, server_key, sizeof server_key - 1);
	hmac(s->server, key, sizeof key, said.buf, said.len);
	sodium_bin2base64(encoded, sizeof encoded, proof, sizeof proof,
	                  sodium_base64_VARIANT_ORIGINAL);
	text_add(out, "c=biws,r=");
	text_add(out, c.nonce);
	text_add(out, ",p=");
	text_add(out, encoded);
	sodium_memzero(salted, sizeof salted);
	sodium_memzero(key, sizeof key);
	sodium_memzero(stored, sizeof stored);
	return text_ok(out);
}

bool
client_scram_verify(const struct client_scram *s, const char *server_final)
{
	unsigned char signature[CLIENT_SCRAM_DIGEST];
	char value[128];
	size_t len;

	return cut_value(&server_final, 'v', value, sizeof value) &&
	       sodium_base642bin(signature, sizeof signature, value, strlen(value), NULL, &len,
	                         NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
	       len == sizeof signature && sodium_memcmp(signature, s->server, len) == 0;
}
