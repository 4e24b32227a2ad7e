/* tls/sign.h: what the key holder signs, and all that it refuses. */
#include "tls/sign.h"

#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "tests/unit/test.h"

#define RSA_LEN 256

static struct sign_keys keys; /* 0: RSA, 1: EC */
static const unsigned char digest[64] = "a hash of something, all the same what of";

/* A block as OpenSSL makes it: signed, and the signature undone. */
static size_t
make_block(const EVP_MD *md, int salt, unsigned char block[RSA_LEN])
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(keys.key[0], NULL);
	unsigned char sig[RSA_LEN];
	size_t len = sizeof sig;

	MUST(EVP_PKEY_sign_init(c) == 1 &&
	     EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING) == 1 &&
	     EVP_PKEY_CTX_set_signature_md(c, md) == 1 &&
	     EVP_PKEY_CTX_set_rsa_pss_saltlen(c, salt) == 1 &&
	     EVP_PKEY_sign(c, sig, &len, digest, (size_t)EVP_MD_get_size(md)) == 1);
	EVP_PKEY_CTX_free(c);
	c = EVP_PKEY_CTX_new(keys.key[0], NULL);
	MUST(EVP_PKEY_verify_recover_init(c) == 1 &&
	     EVP_PKEY_CTX_set_rsa_padding(c, RSA_NO_PADDING) == 1);
	len = RSA_LEN;
	MUST(EVP_PKEY_verify_recover(c, block, &len, sig, sizeof sig) == 1);
	EVP_PKEY_CTX_free(c);
	return len;
}

static size_t
ask(char operation, unsigned char key, const void *data, size_t len, unsigned char *sig)
{
	unsigned char request[2 + 2 * SIGN_MAX] = { (unsigned char)operation, key };

	memcpy(request + 2, data, len);
	return sign_request(&keys, request, 2 + len, sig);
}

static bool
is_signature(EVP_PKEY *key, int padding, const EVP_MD *md, const unsigned char *sig, size_t len)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);
	bool good = EVP_PKEY_verify_init(c) == 1 &&
	            (padding == 0 || EVP_PKEY_CTX_set_rsa_padding(c, padding) == 1) &&
	            EVP_PKEY_CTX_set_signature_md(c, md) == 1 &&
	            EVP_PKEY_verify(c, sig, len, digest, (size_t)EVP_MD_get_size(md)) == 1;

	EVP_PKEY_CTX_free(c);
	return good;
}

static void
test_pss(void)
{
	const EVP_MD *mds[] = { EVP_sha256(), EVP_sha384(), EVP_sha512() };
	unsigned char block[RSA_LEN], sig[SIGN_MAX];

	for (size_t i = 0; i < LENGTH(mds); i++) {
		size_t len = make_block(mds[i], RSA_PSS_SALTLEN_DIGEST, block);
		size_t n;

		TEST(is_pss_block(block, len, 2048), "%s: a block", EVP_MD_get0_name(mds[i]));
		n = ask(SIGN_RSA_PSS, 0, block, len, sig);
		TEST(n == RSA_LEN && is_signature(keys.key[0], RSA_PKCS1_PSS_PADDING, mds[i], sig, n),
		     "%s: signed", EVP_MD_get0_name(mds[i]));
	}
	MUST(make_block(EVP_sha256(), RSA_PSS_SALTLEN_DIGEST, block) == RSA_LEN);
	for (size_t at = 0; at < RSA_LEN; at += 15) {
		block[at] ^= 0x80;
		/* A bit of the masked salt may be any; the block's form is still that of PSS. */
		TEST(!is_pss_block(block, RSA_LEN, 2048) || (at >= 223 - 32 && at < 223),
		     "bit of octet %zu turned", at);
		block[at] ^= 0x80;
	}
	TEST(!is_pss_block(block, RSA_LEN - 1, 2048) && !is_pss_block(block, RSA_LEN, 4096) &&
	     !is_pss_block(block, RSA_LEN, 2049) && !is_pss_block(block, RSA_LEN, 2041),
	     "of another length");
	MUST(make_block(EVP_sha256(), 20, block) == RSA_LEN);
	TEST(!is_pss_block(block, RSA_LEN, 2048), "a salt of 20 octets");
	MUST(make_block(EVP_sha1(), RSA_PSS_SALTLEN_DIGEST, block) == RSA_LEN);
	TEST(!is_pss_block(block, RSA_LEN, 2048), "SHA-1");
}

/* What a stranger wants decrypted, or signed without a form. */
static void
test_raw(void)
{
	unsigned char block[RSA_LEN] = { 0 }, sig[SIGN_MAX];

	TEST(ask(SIGN_RSA_PSS, 0, block, sizeof block, sig) == 0, "zeros");
	memset(block, 0xff, sizeof block);
	TEST(ask(SIGN_RSA_PSS, 0, block, sizeof block, sig) == 0, "ones");
	memset(block, 0x41, sizeof block);
	block[RSA_LEN - 1] = 0xbc;
	block[0] = 0x41;
	TEST(ask(SIGN_RSA_PSS, 0, block, sizeof block, sig) == 0, "a ciphertext that ends in bc");
	block[0] = 0;
	block[1] = 1;
	memset(block + 2, 0xff, 200);
	TEST(ask(SIGN_RSA_PSS, 0, block, sizeof block, sig) == 0, "PKCS 1 by another name");
}

static void
test_pkcs1(void)
{
	static const unsigned char sha256[19] = { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86,
		0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 };
	unsigned char info[19 + 32], sig[SIGN_MAX];
	size_t n;

	memcpy(info, sha256, sizeof sha256);
	memcpy(info + 19, digest, 32);
	n = ask(SIGN_RSA_PKCS1, 0, info, sizeof info, sig);
	TEST(n == RSA_LEN && is_signature(keys.key[0], RSA_PKCS1_PADDING, EVP_sha256(), sig, n),
	     "DigestInfo: signed");
	TEST(ask(SIGN_RSA_PKCS1, 0, info, sizeof info - 1, sig) == 0, "DigestInfo: cut");
	TEST(ask(SIGN_RSA_PKCS1, 0, digest, 36, sig) == 0, "MD5 and SHA-1 of TLS 1.1");
	TEST(ask(SIGN_RSA_PKCS1, 1, info, sizeof info, sig) == 0, "DigestInfo for an EC key");
	info[14] ^= 1;
	TEST(ask(SIGN_RSA_PKCS1, 0, info, sizeof info, sig) == 0, "DigestInfo: another hash");
}

static void
test_ecdsa(void)
{
	unsigned char sig[SIGN_MAX];
	size_t n = ask(SIGN_ECDSA, 1, digest, 32, sig);

	TEST(n > 0 && is_signature(keys.key[1], 0, EVP_sha256(), sig, n), "ECDSA: signed");
	TEST(ask(SIGN_ECDSA, 1, digest, 48, sig) > 0 && ask(SIGN_ECDSA, 1, digest, 64, sig) > 0,
	     "ECDSA: longer hashes");
	TEST(ask(SIGN_ECDSA, 1, digest, 20, sig) == 0 && ask(SIGN_ECDSA, 1, digest, 33, sig) == 0,
	     "ECDSA: no hash of ours");
	TEST(ask(SIGN_ECDSA, 0, digest, 32, sig) == 0, "ECDSA with an RSA key");
}

static void
test_form(void)
{
	unsigned char sig[SIGN_MAX];
	unsigned char request[2 + SIGN_MAX + 1] = { SIGN_ECDSA, 1 };

	TEST(sign_request(&keys, request, 0, sig) == 0 && sign_request(&keys, request, 1, sig) == 0 &&
	     sign_request(&keys, request, 2, sig) == 0, "too short");
	TEST(sign_request(&keys, request, sizeof request, sig) == 0, "too long");
	TEST(ask(SIGN_ECDSA, 2, digest, 32, sig) == 0 && ask(SIGN_ECDSA, 255, digest, 32, sig) == 0,
	     "a key that is not there");
	TEST(ask('d', 0, digest, 32, sig) == 0 && ask('\0', 1, digest, 32, sig) == 0,
	     "an operation that is none");
}

static void
test_kinds(void)
{
	EVP_PKEY *small = EVP_RSA_gen(1024);
	EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

	TEST(is_signable(keys.key[0]) && is_signable(keys.key[1]), "RSA 2048 and P-256");
	TEST(small != NULL && !is_signable(small), "RSA 1024");
	TEST(ed != NULL && !is_signable(ed), "Ed25519");
	EVP_PKEY_free(small);
	EVP_PKEY_free(ed);
}

int
main(void)
{
	keys.n = 2;
	keys.key[0] = EVP_RSA_gen(2048);
	keys.key[1] = EVP_EC_gen("P-256");
	MUST(keys.key[0] != NULL && keys.key[1] != NULL);
	test_pss();
	test_raw();
	test_pkcs1();
	test_ecdsa();
	test_form();
	test_kinds();
	EVP_PKEY_free(keys.key[0]);
	EVP_PKEY_free(keys.key[1]);
	return 0;
}
