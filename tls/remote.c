/*
 * See remote.h. OpenSSL's method hooks (RSA_METHOD, EC_KEY_METHOD) are deprecated since
 * 3.0 in favour of providers, but work in every 3.x, and a provider would be ten times
 * this file. They see a block that is padded already, so sign.c can check its form.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "tls/remote.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "tls/sign.h"

/* A holder that does not answer is stuck: the handshake fails. */
#define ANSWER_MS (10 * 1000)

static int channel = -1;
static RSA_METHOD *rsa_method;
static EC_KEY_METHOD *ec_method;

void
remote_use(int fd)
{
	channel = fd;
}

/* The signature's length, or -1. */
static int
ask(unsigned char operation, unsigned number, const unsigned char *data, size_t len,
    unsigned char *answer, size_t cap)
{
	unsigned char request[2 + SIGN_MAX], got[SIGN_MAX];
	struct pollfd p = { channel, POLLIN, 0 };
	ssize_t n;

	if (len > SIGN_MAX || channel == -1)
		return -1;
	request[0] = operation;
	request[1] = (unsigned char)number;
	memcpy(request + 2, data, len);
	if (write(channel, request, 2 + len) != (ssize_t)(2 + len) ||
	    poll(&p, 1, ANSWER_MS) != 1)
		return -1;
	n = read(channel, got, sizeof got);
	if (n <= 0 || (size_t)n > cap)
		return -1;
	memcpy(answer, got, (size_t)n);
	return (int)n;
}

/* Key numbers travel as a pointer; NULL must not be one of them. */
static void *
number_to_data(unsigned number)
{
	return (void *)(uintptr_t)(number + 1);
}

static unsigned
data_to_number(const void *data)
{
	return (unsigned)(uintptr_t)data - 1;
}

/* RSA_METHOD: `from` is a DigestInfo, or a whole PSS block. */
static int
sign_rsa(int len, const unsigned char *from, unsigned char *to, RSA *rsa, int padding)
{
	unsigned number = data_to_number(RSA_get_app_data(rsa));
	unsigned char operation;

	if (padding == RSA_PKCS1_PADDING)
		operation = SIGN_RSA_PKCS1;
	else if (padding == RSA_NO_PADDING)
		operation = SIGN_RSA_PSS;
	else
		return -1;
	return len < 0 ? -1 : ask(operation, number, from, (size_t)len, to, (size_t)RSA_size(rsa));
}

static int
refuse_decrypt(int len, const unsigned char *from, unsigned char *to, RSA *rsa, int padding)
{
	(void)len;
	(void)from;
	(void)to;
	(void)rsa;
	(void)padding;
	return -1;
}

/* EC_KEY_METHOD: 1, or 0. */
static int
sign_ec(int type, const unsigned char *digest, int len, unsigned char *sig,
        unsigned int *sig_len, const BIGNUM *kinv, const BIGNUM *r, EC_KEY *key)
{
	unsigned number = data_to_number(EC_KEY_get_ex_data(key, 0));
	int n;

	(void)type;
	(void)kinv;
	(void)r;
	n = len < 0 ? -1 : ask(SIGN_ECDSA, number, digest, (size_t)len, sig,
	                       (size_t)ECDSA_size(key));
	*sig_len = n > 0 ? (unsigned)n : 0;
	return n > 0;
}

static RSA_METHOD *
find_rsa_method(void)
{
	if (rsa_method != NULL)
		return rsa_method;
	rsa_method = RSA_meth_dup(RSA_PKCS1_OpenSSL());
	if (rsa_method != NULL && (RSA_meth_set_priv_enc(rsa_method, sign_rsa) != 1 ||
	                           RSA_meth_set_priv_dec(rsa_method, refuse_decrypt) != 1)) {
		RSA_meth_free(rsa_method);
		rsa_method = NULL;
	}
	return rsa_method;
}

static EC_KEY_METHOD *
find_ec_method(void)
{
	if (ec_method == NULL)
		ec_method = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
	if (ec_method != NULL)
		EC_KEY_METHOD_set_sign(ec_method, sign_ec, NULL, NULL);
	return ec_method;
}

/* The method is set before the assignment, which looks whose key it is. */
static EVP_PKEY *
wrap_rsa(const EVP_PKEY *public, unsigned number)
{
	const RSA *own = EVP_PKEY_get0_RSA(public);
	RSA *rsa = own != NULL ? RSAPublicKey_dup(own) : NULL;
	EVP_PKEY *out = EVP_PKEY_new();

	if (rsa != NULL && out != NULL && find_rsa_method() != NULL &&
	    RSA_set_method(rsa, rsa_method) == 1 &&
	    RSA_set_app_data(rsa, number_to_data(number)) == 1 &&
	    EVP_PKEY_assign_RSA(out, rsa) == 1)
		return out;
	RSA_free(rsa);
	EVP_PKEY_free(out);
	return NULL;
}

static EVP_PKEY *
wrap_ec(const EVP_PKEY *public, unsigned number)
{
	const EC_KEY *own = EVP_PKEY_get0_EC_KEY(public);
	EC_KEY *ec = own != NULL ? EC_KEY_dup(own) : NULL;
	EVP_PKEY *out = EVP_PKEY_new();

	if (ec != NULL && out != NULL && find_ec_method() != NULL &&
	    EC_KEY_set_method(ec, ec_method) == 1 &&
	    EC_KEY_set_ex_data(ec, 0, number_to_data(number)) == 1 &&
	    EVP_PKEY_assign_EC_KEY(out, ec) == 1)
		return out;
	EC_KEY_free(ec);
	EVP_PKEY_free(out);
	return NULL;
}

EVP_PKEY *
remote_key(X509 *cert, unsigned number)
{
	const EVP_PKEY *public = X509_get0_pubkey(cert);

	if (public == NULL || !is_signable(public))
		return NULL;
	return EVP_PKEY_get_base_id(public) == EVP_PKEY_RSA ? wrap_rsa(public, number) :
	                                                     wrap_ec(public, number);
}
