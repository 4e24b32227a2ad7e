/* See mechanism.h. */
#include "base/mechanism.h"

#include <stddef.h>
#include <strings.h>

static const struct {
	const char *name;
	enum mechanism bit;
} mechanisms[] = {
	{ "SCRAM-SHA-256-PLUS", MECHANISM_SCRAM_SHA_256_PLUS },
	{ "SCRAM-SHA-256", MECHANISM_SCRAM_SHA_256 },
	{ "EXTERNAL", MECHANISM_EXTERNAL },
	{ "PLAIN", MECHANISM_PLAIN },
	{ "LOGIN", MECHANISM_LOGIN },
	{ "CRAM-MD5", MECHANISM_CRAM_MD5 },
	{ "DIGEST-MD5", MECHANISM_DIGEST_MD5 },
};

#define N (sizeof mechanisms / sizeof mechanisms[0])

unsigned
mechanism_by_name(const char *name)
{
	for (size_t i = 0; i < N; i++)
		if (strcasecmp(mechanisms[i].name, name) == 0)
			return mechanisms[i].bit;
	return 0;
}

const char *
mechanism_name(unsigned i, unsigned *bit)
{
	if (i >= N)
		return NULL;
	*bit = mechanisms[i].bit;
	return mechanisms[i].name;
}
