/* See sign.h. Runs in the key holder only; every request is taken for hostile. */
#include "tls/sign.h"

#include <openssl/rsa.h>
#include <string.h>

/* RFC 8446 4.2.3 and RFC 5246: what we offer uses these hashes only. */
static const struct {
	size_t len;
	const EVP_MD *(*md)(void);
	unsigned char prefix[19]; /* RFC 8017 9.2, notes: what stands before the hash */
} hashes[] = {
	{ 32, EVP_sha256, { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65,
	                    0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 } },
	{ 48, EVP_sha384, { 0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65,
	                    0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30 } },
	{ 64, EVP_sha512, { 0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65,
	                    0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40 } },
};
#define N_HASHES (sizeof hashes / sizeof hashes[0])

bool
is_signable(const EVP_PKEY *key)
{
	int bits = EVP_PKEY_get_bits(key);

	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
		return bits >= 2048 && bits <= 8 * SIGN_MAX;
	case EVP_PKEY_EC:
		return true;
	default:
		return false;
	}
}

bool
is_digest_info(const unsigned char *info, size_t len)
{
	for (size_t i = 0; i < N_HASHES; i++)
		if (len == sizeof hashes[i].prefix + hashes[i].len &&
		    memcmp(info, hashes[i].prefix, sizeof hashes[i].prefix) == 0)
			return true;
	return false;
}

/* RFC 8017 B.2.1: takes MGF1's mask of the seed off db. */
static bool
unmask(unsigned char *db, size_t len, const unsigned char *seed, size_t seed_len,
       const EVP_MD *md)
{
	unsigned char in[EVP_MAX_MD_SIZE + 4], out[EVP_MAX_MD_SIZE];
	size_t at = 0;

	memcpy(in, seed, seed_len);
	for (unsigned n = 0; at < len; n++) {
		const unsigned char counter[4] = { 0, 0, (unsigned char)(n >> 8), (unsigned char)n };

		memcpy(in + seed_len, counter, sizeof counter);
		if (EVP_Digest(in, seed_len + sizeof counter, out, NULL, md, NULL) != 1)
			return false;
		for (size_t i = 0; i < seed_len && at < len; i++)
			db[at++] ^= out[i];
	}
	return true;
}

/* RFC 8017 9.1.2, steps 4 to 10: all but the comparison of the hash, which is secret. */
static bool
is_pss_of(const unsigned char *block, size_t len, unsigned spare, size_t hash)
{
	unsigned char db[SIGN_MAX];
	size_t hash_len = hashes[hash].len;
	size_t db_len, zeros;

	if (len < 2 * hash_len + 2 || len > sizeof db)
		return false;
	db_len = len - hash_len - 1;
	zeros = db_len - hash_len - 1;
	memcpy(db, block, db_len);
	if (!unmask(db, db_len, block + db_len, hash_len, hashes[hash].md()))
		return false;
	db[0] &= (unsigned char)(0xff >> spare);
	for (size_t i = 0; i < zeros; i++)
		if (db[i] != 0)
			return false;
	return db[zeros] == 1;
}

bool
is_pss_block(const unsigned char *block, size_t len, unsigned bits)
{
	/* emBits is one less than the modulus; so many bits of the first octet are unused. */
	unsigned spare = (unsigned)(8 * len) - (bits - 1);

	if (len != (bits + 7) / 8 || spare > 8 || block[len - 1] != 0xbc)
		return false;
	if (spare == 8) /* a modulus of 8n + 1 bits: the block has an octet less */
		return false;
	if ((block[0] >> (8 - spare)) != 0)
		return false;
	for (size_t i = 0; i < N_HASHES; i++)
		if (is_pss_of(block, len, spare, i))
			return true;
	return false;
}

static bool
is_hash_length(size_t len)
{
	for (size_t i = 0; i < N_HASHES; i++)
		if (len == hashes[i].len)
			return true;
	return false;
}

/* The padding for EVP_PKEY_sign(), 0 where there is none (ECDSA); -1: refused. */
static int
find_padding(const EVP_PKEY *key, int operation, const unsigned char *data, size_t len)
{
	bool rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;

	switch (operation) {
	case SIGN_RSA_PSS:
		return rsa && is_pss_block(data, len, (unsigned)EVP_PKEY_get_bits(key)) ?
		       RSA_NO_PADDING : -1;
	case SIGN_RSA_PKCS1:
		return rsa && is_digest_info(data, len) ? RSA_PKCS1_PADDING : -1;
	case SIGN_ECDSA:
		return !rsa && is_hash_length(len) ? 0 : -1;
	default:
		return -1;
	}
}

size_t
sign_request(const struct sign_keys *keys, const unsigned char *request, size_t len,
             unsigned char answer[SIGN_MAX])
{
	size_t n = SIGN_MAX;
	EVP_PKEY_CTX *c;
	EVP_PKEY *key;
	int padding;

	if (len < 3 || len > 2 + SIGN_MAX || request[1] >= keys->n)
		return 0;
	key = keys->key[request[1]];
	padding = find_padding(key, request[0], request + 2, len - 2);
	if (padding == -1)
		return 0;
	c = EVP_PKEY_CTX_new(key, NULL);
	if (c == NULL || EVP_PKEY_sign_init(c) != 1 ||
	    (padding != 0 && EVP_PKEY_CTX_set_rsa_padding(c, padding) != 1) ||
	    EVP_PKEY_sign(c, answer, &n, request + 2, len - 2) != 1)
		n = 0;
	EVP_PKEY_CTX_free(c);
	return n;
}
