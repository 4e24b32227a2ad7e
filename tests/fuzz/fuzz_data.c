/*
 * DATA: session/stream.c against tests/fuzz/reference.h, the input whole, octet by
 * octet, and cut by a pattern that the first octet starts. Same octets stored, same
 * end, same verdict, same size.
 */
#include "session/stream.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/reference.h"

static void
check_cut(enum stream_mode mode, const uint8_t *in, size_t size, unsigned seed,
          const struct reference *want, const char *stored)
{
	size_t used = 0, out = 0;
	bool end = false;
	struct stream st;

	stream_init(&st, mode);
	while (used < size && !end) {
		size_t n = size - used;
		struct stream_step step;
		char *buf;

		seed = seed * 1103515245 + 12345;
		if (seed >> 31 == 0)
			n = 1 + (seed >> 16) % (n < 9 ? n : 9);
		buf = malloc(n);
		CHECK(buf != NULL);
		memcpy(buf, in + used, n);
		step = stream_eat(&st, buf, n);
		CHECK(step.out <= step.used && step.used <= n && (step.end || step.used == n));
		CHECK(want->bare || (step.out <= want->out - out &&
		                     memcmp(buf, stored + out, step.out) == 0));
		used += step.used;
		out += step.out;
		end = step.end;
		free(buf);
	}
	CHECK(used == want->used && end == want->end && st.bare == want->bare &&
	      st.size == want->size && (want->bare || out == want->out));
	stream_finish(&st);
	CHECK(st.bare == (want->bare || (want->pending && mode == STREAM_CHUNK)) ||
	      mode == STREAM_DATA);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum stream_mode modes[] = { STREAM_DATA, STREAM_CHUNK, STREAM_BINARY };
	char *stored = malloc(size + 1);

	CHECK(stored != NULL);
	for (size_t i = 0; i < 3; i++) {
		struct reference want = reference_eat(modes[i], (const char *)data, size, stored);

		for (unsigned k = 0; k < 4; k++)
			check_cut(modes[i], data, size, k + (size > 0 ? data[0] : 0), &want, stored);
	}
	free(stored);
	return 0;
}
