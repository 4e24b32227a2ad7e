/* TRANSID: what is taken is what RFC 1845 allows, told in another way; and a key of it. */
#include <ctype.h>

#include "base/limits.h"
#include "base/transid.h"
#include "keeper/partial.h"
#include "tests/fuzz/fuzz.h"

/* The grammar octet by octet: "<" token "@" token ">", a token of atoms between dots. */
static bool
is_legal(const char *s)
{
	size_t len = strlen(s);
	unsigned at = 0;

	if (len < 5 || len > LIMIT_TRANSID || s[0] != '<' || s[len - 1] != '>')
		return false;
	for (size_t i = 1; i < len - 1; i++) {
		bool edge = strchr("<.@", s[i - 1]) != NULL || strchr(".@>", s[i + 1]) != NULL;

		if (s[i] == '@' && at++ > 0)
			return false;
		if ((s[i] == '.' || s[i] == '@') && edge)
			return false;
		if (s[i] == '.' || s[i] == '@')
			continue;
		if (!isgraph((unsigned char)s[i]) || strchr("()<>@,;:\\\"/[]?=", s[i]) != NULL)
			return false;
	}
	return at == 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s = fuzz_string(data, size);
	char key[PARTIAL_KEY + 1], other[PARTIAL_KEY + 1];

	CHECK(is_transid(s) == is_legal(s));
	if (is_transid(s)) {
		partial_key(key, "login a@b", "c", s);
		CHECK(strlen(key) == PARTIAL_KEY &&
		      strspn(key, "0123456789abcdef-") == PARTIAL_KEY);
		partial_key(other, "login a@", "bc", s);
		CHECK(strcmp(key, other) != 0);
	}
	free(s);
	return 0;
}
