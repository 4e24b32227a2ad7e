/* Verifier files: what is read is written as it was, but for the order of its lines. */
#include <sodium.h>

#include "auth/verifier.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct verifier v, again;
	char text[VERIFIER_MAX], fingerprint[VERIFIER_FINGERPRINT];
	unsigned char secret[VERIFIER_SECRET], key[KEY_SIZE] = { 0 };
	char *content = fuzz_string(data, size);
	struct text t;

	CHECK(sodium_init() != -1);
	if (verifier_parse(&v, content) == NULL) {
		CHECK(v.n_certificates <= VERIFIER_CERTIFICATES);
		CHECK(v.scram.iterations == 0 || v.scram.iterations >= 4096);
		CHECK(v.scram.salt_len <= VERIFIER_SALT);
		text_init(&t, text, sizeof text);
		verifier_print(&t, &v);
		CHECK(text_ok(&t) && verifier_parse(&again, text) == NULL);
		CHECK(memcmp(&v, &again, sizeof v) == 0);
		(void)verifier_is_weak(&v);
		CHECK(!verifier_open(secret, v.cram_md5, key, "x"));
	}
	if (parse_fingerprint(fingerprint, content))
		CHECK(strspn(fingerprint, "0123456789abcdef") == VERIFIER_FINGERPRINT - 1);
	free(content);
	return 0;
}
