/* base/mechanism.h: names and bits, one to one, strongest first. */
#include "base/mechanism.h"

#include "tests/unit/test.h"

int
main(void)
{
	static const struct {
		const char *name;
		unsigned bit;
	} rows[] = {
		{ "SCRAM-SHA-256-PLUS", MECHANISM_SCRAM_SHA_256_PLUS },
		{ "SCRAM-SHA-256", MECHANISM_SCRAM_SHA_256 },
		{ "EXTERNAL", MECHANISM_EXTERNAL },
		{ "PLAIN", MECHANISM_PLAIN },
		{ "LOGIN", MECHANISM_LOGIN },
		{ "CRAM-MD5", MECHANISM_CRAM_MD5 },
		{ "DIGEST-MD5", MECHANISM_DIGEST_MD5 },
	};
	static const char *const wrong[] = { "", "PLAI", "PLAINX", "PLAIN ", " PLAIN", "SCRAM-SHA-1",
		                             "SCRAM-SHA-256-", "ANONYMOUS", "none", "NTLM" };
	unsigned bit = 0, all = 0;

	for (unsigned i = 0; i < LENGTH(rows); i++) {
		const char *name = mechanism_name(i, &bit);

		TEST(name != NULL && strcmp(name, rows[i].name) == 0 && bit == rows[i].bit &&
		     mechanism_by_name(name) == bit, "%s", rows[i].name);
		TEST((all & bit) == 0 && (bit & (bit - 1)) == 0, "a bit of its own");
		all |= bit;
	}
	TEST(mechanism_name(LENGTH(rows), &bit) == NULL, "and no more");
	TEST(mechanism_by_name("plain") == MECHANISM_PLAIN &&
	     mechanism_by_name("Scram-sha-256-Plus") == MECHANISM_SCRAM_SHA_256_PLUS,
	     "case does not matter");
	for (size_t i = 0; i < LENGTH(wrong); i++)
		TEST(mechanism_by_name(wrong[i]) == 0, "none: %s", show(wrong[i]));
	TEST((MECHANISMS_DEFAULT & (MECHANISM_CRAM_MD5 | MECHANISM_DIGEST_MD5)) == 0,
	     "the legacy ones are opt-in");
	TEST((MECHANISMS_FOREIGN & ~((unsigned)MECHANISM_PLAIN | MECHANISM_LOGIN |
	                             MECHANISM_CRAM_MD5)) == 0,
	     "a foreign program answers for what checkpassword can carry");
	return 0;
}
