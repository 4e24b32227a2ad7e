/* See heap.h. Holes are found by malloc itself: it is asked until it takes from the end. */
#include "tls/heap.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* What a relay needs for its handshake, and room at the heap's end for more. */
#define RELAY_HEAP (128 * 1024)
#define HEAP_END (512 * 1024)
#define LARGEST 65536 /* a hole; all larger ones are filled by several */
#define PAGE 4096

struct plug {
	struct plug *next;
};

static struct plug *plugs;
static char *end; /* the first octet that is free behind all holes */

void
heap_start(void)
{
	/* Consolidation would walk all of the heap; nothing is ever given back by a child. */
	(void)mallopt(M_MXFAST, 0); /* valid values: these cannot fail */
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_TOP_PAD, HEAP_END);
	(void)mallopt(M_TRIM_THRESHOLD, 4 * HEAP_END);
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
	end = find_end();
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

void
heap_populate(void)
{
	uintptr_t first = (uintptr_t)end & ~(uintptr_t)(PAGE - 1);

	/* Kernels before 5.14 refuse; then they come one by one. */
	(void)madvise((void *)first, RELAY_HEAP, MADV_POPULATE_WRITE);
}
