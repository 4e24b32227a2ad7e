/*
 * See dispatch_own.h. A smarthost must not get as many connections as it has domains, so runners
 * that are at one fixed hop share `connections-per-destination` among them.
 */
#include "base/log.h"
#include "base/packet.h"
#include "relay/control.h"
#include "relay/dispatch_own.h"
#include "relay/way.h"

/* The runner that gets the domain says what is wrong. */
static void
say_nothing(void *context, const char *message)
{
	(void)context;
	(void)message;
}

uint64_t
dispatch_way(const struct dispatch *d, const char *domain)
{
	struct way w;

	return way_find(&w, d->setup->conf, d->setup->dir, domain, say_nothing) ?
		way_number(&w) : 0;
}

static unsigned
count_busy(const struct dispatch *d, uint64_t way)
{
	unsigned n = 0;

	for (unsigned i = 0; i < d->n_seats; i++)
		n += d->seats[i].busy && d->seats[i].way == way;
	return n;
}

bool
dispatch_has_room(const struct dispatch *d, uint64_t way)
{
	return way == 0 || count_busy(d, way) < d->setup->conf->per_destination;
}

struct runner_seat *
dispatch_seat(struct dispatch *d, uint64_t way)
{
	struct runner_seat *best = NULL;

	for (unsigned i = 0; i < d->n_seats; i++) {
		struct runner_seat *s = &d->seats[i];

		if (s->busy)
			continue;
		if (s->pid != 0 && s->way == way)
			return s;
		/* One that is there before a new one, and not one that waits for its own hop. */
		if (best == NULL || (s->pid != 0 && (best->pid == 0 || (s->way == 0 && best->way != 0))))
			best = s;
	}
	return best;
}

unsigned
dispatch_share(const struct dispatch *d, const struct runner_seat *s)
{
	unsigned all = (unsigned)d->setup->conf->per_destination, n = 0, before = 0;

	if (s->way == 0)
		return all;
	for (unsigned i = 0; i < d->n_seats; i++) {
		const struct runner_seat *other = &d->seats[i];

		if (other != s && (!other->busy || other->way != s->way))
			continue;
		n++;
		before += other < s;
	}
	/* What can't be divided goes to the first ones. */
	return all / n + (before < all % n);
}

void
dispatch_tell_shares(struct dispatch *d)
{
	static struct packet p;

	for (unsigned i = 0; i < d->n_seats; i++) {
		struct runner_seat *s = &d->seats[i];
		unsigned share;

		if (!s->busy || s->way == 0 || (share = dispatch_share(d, s)) == s->share)
			continue;
		s->share = share;
		packet_start(&p, CONTROL_SHARE);
		packet_addu(&p, share);
		packet_offer(s->control, &p); /* full: it has older words to hear, and keeps more */
	}
}
