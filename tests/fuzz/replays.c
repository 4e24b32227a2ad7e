/*
 * Most fuzz targets in one program for replay.c: the name that it is called by,
 * replay_NAME, chooses. NAMES is X(NAME) for each, and each target's function is named
 * fuzz_NAME: see tests/tests.mk.
 */
#include "tests/fuzz/fuzz.h"

#define X(name) int fuzz_##name(const uint8_t *data, size_t size);
NAMES
#undef X

#define X(name) { "replay_" #name, fuzz_##name },
static const struct target {
	const char *name;
	int (*run)(const uint8_t *data, size_t size);
} targets[] = { NAMES };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
		if (strcmp(targets[i].name, program_invocation_short_name) == 0)
			return targets[i].run(data, size);
	fprintf(stderr, "%s: no fuzz target has this name\n", program_invocation_short_name);
	exit(2);
}
