/*
 * Requests to the key holder: what is signed is of a form that it knows, the answer fits,
 * and equal requests are answered alike.
 */
#include "tls/sign.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sign_keys keys;
	unsigned char answer[SIGN_MAX], again[SIGN_MAX];
	size_t n;

	if (keys.n == 0) {
		keys.key[0] = EVP_RSA_gen(2048);
		keys.key[1] = EVP_EC_gen("P-256");
		CHECK(keys.key[0] != NULL && keys.key[1] != NULL);
		keys.n = 2;
	}
	n = sign_request(&keys, data, size, answer);
	CHECK(n <= sizeof answer);
	CHECK((n > 0) == (sign_request(&keys, data, size, again) > 0));
	ERR_clear_error();
	if (n == 0)
		return 0;
	CHECK(size > 2 && data[1] < 2);
	if (data[0] == SIGN_ECDSA)
		CHECK(data[1] == 1 && (size == 34 || size == 50 || size == 66));
	else if (data[0] == SIGN_RSA_PKCS1)
		CHECK(data[1] == 0 && is_digest_info(data + 2, size - 2));
	else
		CHECK(data[0] == SIGN_RSA_PSS && data[1] == 0 && data[size - 1] == 0xbc);
	return 0;
}
