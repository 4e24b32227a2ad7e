/* What the two files of rewind.h share: the image, and who makes it. */
#ifndef BASE_REWIND_OWN_H
#define BASE_REWIND_OWN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/rewind.h"

#if defined __x86_64__ && !defined __SANITIZE_ADDRESS__
#define REWIND_IS_BUILT 1
#else
#define REWIND_IS_BUILT 0
#endif

#define REWIND_PAGE ((size_t)4096)
#define REWIND_REGIONS 120

struct rewind_region {
	char *start;
	const char *copy; /* NULL: all zero, and rarely written to: dropped */
	size_t pages;
	bool shares; /* it is a private mapping of its copy */
};

/* Shared and read-only; the copies follow. */
struct rewind_image {
	char *top;
	void (*run)(void);
	size_t n;
	struct rewind_region region[REWIND_REGIONS];
};

/*
 * Makes it, from /proc/self/smaps, which is closed, and *scratch, a page that is no part of
 * it. Both are set before it is filled, so children know them. False: it cannot be.
 */
bool rewind_make_image(int maps, const struct rewind_start_at *at,
                       struct sandbox_room rooms[SANDBOX_ROOMS + 1],
                       const struct rewind_image **image, char **scratch);

#endif
