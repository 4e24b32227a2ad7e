/* The limits of partial/, by its directory: a scan for each new transaction of this kind. */
#include "base/partial_dir.h"
#include "keeper/partial.h"

static bool
fits(const struct partial_sum *s, uint64_t size, uint64_t files, uint64_t messages,
     uint64_t octets)
{
	/* One message fits, however large, when there is no other. */
	return s->files < files && s->messages < messages &&
	       (s->messages == 0 || (s->octets < octets && size < octets - s->octets));
}

bool
partial_has_room(const struct partial *p, uint64_t size)
{
	struct partial_sum own, all;

	return partial_count(p->dir, p->key, &own, &all) == 0 &&
	       fits(&own, size, LIMIT_PARTIAL_OWN_FILES, LIMIT_PARTIAL_OWN,
	            LIMIT_PARTIAL_OWN_OCTETS) &&
	       fits(&all, size, LIMIT_PARTIAL_ALL_FILES, LIMIT_PARTIAL_ALL,
	            LIMIT_PARTIAL_ALL_OCTETS);
}
