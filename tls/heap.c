/* See heap.h. Holes are found by malloc itself: it is asked until it takes from the end. */
#include "tls/heap.h"

#include <limits.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* What a relay needs for its handshake, and for one with 100 KiB of certificates. */
#define RELAY_HEAP (128 * 1024)
#define HEAP_END (1024 * 1024)
#define LARGEST 65536 /* a hole; all larger ones are filled by several */
#define PAGE 4096

struct plug {
	struct plug *next;
};

static struct plug *plugs;
static char *end;     /* the first octet that is free behind all holes */
static char *beyond;  /* where the heap ends */

void
heap_start(void)
{
	/* Consolidation would walk all of the heap; nothing is ever given back. */
	(void)mallopt(M_MXFAST, 0); /* valid values: these cannot fail */
	(void)mallopt(M_MMAP_MAX, 0);
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_TOP_PAD, HEAP_END);
	(void)mallopt(M_TRIM_THRESHOLD, INT_MAX);
}

/* Where malloc's end begins. */
static char *
find_end(void)
{
	return (char *)sbrk(0) - mallinfo2().keepcost;
}

void
heap_seal(void)
{
	void *volatile room;

	end = find_end();
	for (size_t size = LARGEST; size >= sizeof(struct plug);
	     size = size > 1024 ? size / 2 : size - sizeof(void *)) {
		struct plug *p;

		while ((p = malloc(size)) != NULL && (char *)p < end) {
			p->next = plugs;
			plugs = p;
		}
		free(p); /* from the end: goes back to it */
	}
	room = malloc(HEAP_END); /* volatile: a compiler would leave both calls out */
	free(room);
	end = find_end();
	beyond = sbrk(0);
}

void
heap_open(void)
{
	while (plugs != NULL) {
		struct plug *p = plugs;

		plugs = p->next;
		free(p);
	}
}

static uintptr_t
page_of(const char *p)
{
	return (uintptr_t)p & ~(uintptr_t)(PAGE - 1);
}

struct rewind_hot
heap_hot(void)
{
	return (struct rewind_hot){ end, RELAY_HEAP };
}

void
heap_populate(void)
{
	uintptr_t first = page_of(end);

	/* Kernels before 5.14 refuse; then they come one by one. */
	(void)madvise((void *)first, RELAY_HEAP, MADV_POPULATE_WRITE);
}

void
heap_rest(void)
{
	uintptr_t first = page_of(beyond - mallinfo2().keepcost) + PAGE;

	(void)malloc_trim(SIZE_MAX / 2); /* pages between; the end stays mapped */
	if (first < (uintptr_t)beyond)
		(void)madvise((void *)first, (uintptr_t)beyond - first, MADV_DONTNEED); /* ours */
}
