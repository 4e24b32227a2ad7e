/* See mx.h. */
#include "relay/mx.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* RFC 5321 5.1: at random among equals. Fisher and Yates. */
static void
shuffle(void *base, unsigned n, size_t size)
{
	char *a = base, spare[sizeof(struct mx)];

	for (unsigned i = n; i > 1; i--) {
		unsigned k = arc4random_uniform(i);

		memcpy(spare, a + k * size, size);
		memcpy(a + k * size, a + (i - 1) * size, size);
		memcpy(a + (i - 1) * size, spare, size);
	}
}

static int
by_preference(const void *a, const void *b)
{
	const struct mx *x = a, *y = b;

	return x->preference < y->preference ? -1 : x->preference > y->preference;
}

static bool
has_better(const struct mx *all, unsigned n, unsigned i)
{
	for (unsigned k = 0; k < n; k++)
		if (k != i && strcmp(all[k].host, all[i].host) == 0 &&
		    (all[k].preference < all[i].preference ||
		     (k < i && all[k].preference == all[i].preference)))
			return true;
	return false;
}

/* Names that a host can have; an address in the place of a name is none (RFC 5321 5.1). */
static unsigned
collect(struct mx all[ANSWER_RECORDS], const struct answer *a)
{
	unsigned n = 0;

	for (unsigned i = 0; i < a->n; i++) {
		const char *name = a->record[i].name;
		struct ip ip;

		if (name == NULL || name[0] == '\0' || parse_ip(name, &ip))
			continue;
		all[n].preference = a->record[i].preference;
		if (text_copy(all[n].host, sizeof all[n].host, name))
			n++;
	}
	return n;
}

enum mx_result
mx_order(struct mx_list *l, const struct answer *a, const char *ours)
{
	struct mx all[ANSWER_RECORDS];
	unsigned n = collect(all, a), limit = UINT32_MAX;

	l->n = 0;
	/* RFC 7505 3: alone; beside others it is only a name that does not work. */
	if (a->n == 1 && a->record[0].name != NULL && a->record[0].name[0] == '\0')
		return MX_NULL;
	if (n == 0)
		return MX_UNUSABLE;
	for (unsigned i = 0; i < n; i++)
		if (strcasecmp(all[i].host, ours) == 0 && all[i].preference < limit)
			limit = all[i].preference;
	shuffle(all, n, sizeof all[0]);
	/* What is sorted must not depend on how many there are: duplicates go first. */
	for (unsigned i = 0; i < n; i++)
		if (has_better(all, n, i))
			all[i].preference = UINT32_MAX;
	qsort(all, n, sizeof all[0], by_preference);
	for (unsigned i = 0; i < n && l->n < LIMIT_MX && all[i].preference < limit; i++)
		l->at[l->n++] = all[i];
	return l->n > 0 ? MX_GOOD : MX_LOOP;
}

unsigned
mx_addresses(struct ip out[MX_ADDRESSES], struct ip *v6, unsigned n6, struct ip *v4,
             unsigned n4, bool have_ipv6)
{
	unsigned n = 0, i6 = 0, i4 = 0;

	shuffle(v6, n6, sizeof *v6);
	shuffle(v4, n4, sizeof *v4);
	while (i6 < n6 || i4 < n4) {
		/* Without IPv6 its addresses come last: we may be wrong. */
		if (i6 < n6 && (have_ipv6 || i4 == n4))
			out[n++] = v6[i6++];
		if (i4 < n4)
			out[n++] = v4[i4++];
	}
	return n;
}
