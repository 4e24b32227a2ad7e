/* See md5.h. Called by the two mechanisms and where a password is set. */
#include "auth/md5.h"

#include <md5.h>
#include <sodium.h>
#include <string.h>
#include <unistr.h>

#define BLOCK 64

/* The chaining value alone; a whole number of blocks has gone in. */
static void
save(unsigned char out[MD5_SIZE], const MD5_CTX *c)
{
	for (unsigned i = 0; i < MD5_SIZE; i++)
		out[i] = (unsigned char)(c->state[i / 4] >> 8 * (i % 4));
}

static void
restore(MD5_CTX *c, const unsigned char in[MD5_SIZE])
{
	MD5Init(c);
	for (unsigned i = 0; i < 4; i++)
		c->state[i] = (uint32_t)in[4 * i] | (uint32_t)in[4 * i + 1] << 8 |
		              (uint32_t)in[4 * i + 2] << 16 | (uint32_t)in[4 * i + 3] << 24;
	c->count = (uint64_t)BLOCK * 8;
}

static void
add(MD5_CTX *c, const char *text)
{
	MD5Update(c, (const uint8_t *)text, strlen(text));
}

static void
finish_hex(char out[MD5_HEX], MD5_CTX *c)
{
	unsigned char digest[MD5_SIZE];

	MD5Final(digest, c);
	sodium_bin2hex(out, MD5_HEX, digest, sizeof digest);
}

void
md5_cram_secret(unsigned char secret[VERIFIER_SECRET], const char *password)
{
	static const unsigned char pads[2] = { 0x36, 0x5c };
	unsigned char key[BLOCK] = { 0 }, block[BLOCK];
	size_t len = strlen(password);
	MD5_CTX c;

	if (len <= sizeof key) {
		memcpy(key, password, len);
	} else {
		MD5Init(&c);
		add(&c, password);
		MD5Final(key, &c);
	}
	for (unsigned half = 0; half < 2; half++) {
		for (unsigned i = 0; i < BLOCK; i++)
			block[i] = key[i] ^ pads[half];
		MD5Init(&c);
		MD5Update(&c, block, sizeof block);
		save(secret + half * MD5_SIZE, &c);
	}
	sodium_memzero(key, sizeof key);
	sodium_memzero(block, sizeof block);
	sodium_memzero(&c, sizeof c);
}

void
md5_cram_response(char out[MD5_HEX], const unsigned char secret[VERIFIER_SECRET],
                  const char *text)
{
	unsigned char inner[MD5_SIZE];
	MD5_CTX c;

	restore(&c, secret);
	add(&c, text);
	MD5Final(inner, &c);
	restore(&c, secret + MD5_SIZE);
	MD5Update(&c, inner, sizeof inner);
	finish_hex(out, &c);
	sodium_memzero(&c, sizeof c);
}

/* Adds text, in ISO 8859-1 if all of it is in there. */
static void
add_latin1(MD5_CTX *c, const char *text)
{
	unsigned char out[LIMIT_ADDRESS + LIMIT_PASSWORD + 1];
	const uint8_t *p = (const uint8_t *)text;
	size_t left = strlen(text);
	size_t n = 0;

	while (left > 0) {
		ucs4_t u;
		int len = u8_mbtoucr(&u, p, left);

		if (len <= 0 || u > 0xff || n == sizeof out)
			break;
		out[n++] = (unsigned char)u;
		p += len;
		left -= (size_t)len;
	}
	if (left == 0)
		MD5Update(c, out, n);
	else
		add(c, text);
	sodium_memzero(out, sizeof out);
}

bool
md5_digest_secret(unsigned char secret[VERIFIER_SECRET], const char *user, const char *realm,
                  const char *password)
{
	MD5_CTX c;

	if (strlen(user) > LIMIT_ADDRESS || strlen(password) > LIMIT_PASSWORD)
		return false;
	memset(secret, 0, VERIFIER_SECRET);
	MD5Init(&c);
	add_latin1(&c, user);
	add(&c, ":");
	add(&c, realm);
	add(&c, ":");
	add_latin1(&c, password);
	MD5Final(secret, &c);
	return true;
}

void
md5_digest_response(char out[MD5_HEX], const unsigned char secret[VERIFIER_SECRET],
                    const struct md5_digest *d, const char *a2)
{
	char a1_hex[MD5_HEX], a2_hex[MD5_HEX];
	const char *parts[] = { a1_hex, d->nonce, d->nc, d->cnonce, "auth", a2_hex };
	MD5_CTX c;

	MD5Init(&c);
	MD5Update(&c, secret, MD5_SIZE);
	add(&c, ":");
	add(&c, d->nonce);
	add(&c, ":");
	add(&c, d->cnonce);
	if (d->authorize[0] != '\0') {
		add(&c, ":");
		add(&c, d->authorize);
	}
	finish_hex(a1_hex, &c);
	MD5Init(&c);
	add(&c, a2);
	add(&c, d->uri);
	finish_hex(a2_hex, &c);
	MD5Init(&c);
	for (unsigned i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		if (i > 0)
			add(&c, ":");
		add(&c, parts[i]);
	}
	finish_hex(out, &c);
	sodium_memzero(a1_hex, sizeof a1_hex);
}
