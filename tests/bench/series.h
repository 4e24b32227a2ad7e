/* Times taken, kept whole and sorted at the end, so that p99 and max are exact. */
#ifndef TESTS_BENCH_SERIES_H
#define TESTS_BENCH_SERIES_H

#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Nanoseconds. */
struct series {
	uint64_t *at;
	size_t len, room;
};

static inline void *
series_alloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (p == NULL)
		err(111, "memory");
	return p;
}

static inline uint64_t
series_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static inline void
series_add(struct series *s, uint64_t since)
{
	if (s->len == s->room) {
		s->room = s->room * 2 + 1000;
		s->at = reallocarray(s->at, s->room, sizeof *s->at);
		if (s->at == NULL)
			err(111, "memory");
	}
	s->at[s->len++] = series_now() - since;
}

static inline int
series_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Milliseconds under which this part of the series lies; part 1 is the maximum. */
static inline double
series_ms(struct series *s, double part)
{
	if (s->len == 0)
		return 0;
	qsort(s->at, s->len, sizeof *s->at, series_compare);
	return (double)s->at[(size_t)((double)(s->len - 1) * part)] / 1e6;
}

static inline void
series_print(const char *name, struct series *s)
{
	printf(" %s_ms=%.3f %s_p99=%.3f %s_max=%.3f", name, series_ms(s, 0.5), name,
	       series_ms(s, 0.99), name, series_ms(s, 1));
}

#endif
