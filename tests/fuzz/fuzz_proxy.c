/*
 * PROXY headers: read in the steps that proxy_parse() asks for, it never asks for an
 * octet behind the header and agrees with the reading of all at once.
 */
#include "session/proxy.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum proxy_result r;
	size_t len = 0, need, before;
	struct ip ip, again;

	for (;;) {
		char *s = fuzz_string(data, len);

		r = proxy_parse(s, len, &need, &ip);
		before = need;
		if (r == PROXY_OK) {
			CHECK(proxy_parse(s, len, &need, &again) == PROXY_OK);
			CHECK(ip.known == again.known &&
			      memcmp(ip.octets, again.octets, sizeof ip.octets) == 0);
		}
		free(s);
		if (r != PROXY_MORE)
			break;
		CHECK(before > len && before <= PROXY_MAX);
		if (before > size)
			return 0;
		len = before;
	}
	if (r == PROXY_OK && memcmp(data, "PROXY ", 6) == 0)
		CHECK(memchr(data + 6, '\n', len - 7) == NULL ||
		      memcmp(data, "PROXY UNKNOWN", 13) == 0);
	return 0;
}
