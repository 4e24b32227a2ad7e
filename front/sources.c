/*
 * See sources.h. Open addressing; a place is free for another source when nothing
 * is open there and its minute is over, so the table needs no sweeping. In a flood of
 * sources the oldest minutes are forgotten early: a flood must not shut others out.
 */
#include "front/sources.h"

#include <string.h>
#include <sys/random.h>

#define MINUTE_MS (60 * 1000)
#define PROBES 64 /* with the table at most half full, a longer run means attack */

static void
make_key(unsigned char key[16], const struct ip *ip)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	memcpy(key, ip->octets, 16);
	if (!ip->known)
		memset(key, 0xff, 16); /* no address that a client has (RFC 4291 2.7) */
	if (memcmp(key, mapped, sizeof mapped) != 0)
		memset(key + 8, 0, 8);
}

/* FNV-1a with a random start, so that nobody can aim at one place. */
static uint32_t
hash(const unsigned char key[16])
{
	static uint64_t start;
	uint64_t h;

	if (start == 0 && getrandom(&start, sizeof start, 0) != sizeof start)
		start = 0xcbf29ce484222325U;
	h = start | 1;
	for (unsigned i = 0; i < 16; i++)
		h = (h ^ key[i]) * 0x100000001b3U;
	return (uint32_t)(h >> 32);
}

static bool
is_free(const struct source *s, int64_t now)
{
	return !s->used || (s->open == 0 && now - s->since >= MINUTE_MS);
}

/* Of two places the better one for a new source: the first free, else the oldest. */
static struct source *
better(struct source *a, struct source *b, int64_t now)
{
	if (b->open > 0 || (a != NULL && is_free(a, now)))
		return a;
	return a == NULL || !b->used || b->since < a->since ? b : a;
}

static struct source *
find(struct sources *s, const unsigned char key[16], int64_t now)
{
	uint32_t h = hash(key);
	struct source *place = NULL;

	for (unsigned i = 0; i < PROBES; i++) {
		struct source *p = &s->places[(h + i) % SOURCES_PLACES];

		if (p->used && memcmp(p->key, key, 16) == 0)
			return p;
		place = better(place, p, now);
		if (!p->used)
			break;
	}
	if (place == NULL)
		return NULL;
	memset(place, 0, sizeof *place);
	memcpy(place->key, key, 16);
	place->used = true;
	place->since = now;
	return place;
}

int
sources_enter(struct sources *s, const struct ip *ip, uint64_t max, uint64_t rate,
              int64_t now)
{
	unsigned char key[16];
	struct source *p;

	make_key(key, ip);
	p = find(s, key, now);
	if (p == NULL)
		return -1;
	if (now - p->since >= MINUTE_MS) {
		p->since = now;
		p->recent = 0;
	}
	if (ip->known && (p->open >= max || (rate != 0 && p->recent >= rate)))
		return -1;
	p->open++;
	p->recent++;
	return (int)(p - s->places);
}

void
sources_leave(struct sources *s, int place)
{
	if (s->places[place].open > 0)
		s->places[place].open--;
}
