/*
 * See runner_run.h. Domains that go to one fixed next hop come to a runner one after the other;
 * its connections wait a moment for the next one, so that a thousand domains behind a
 * smarthost need no thousand connections. Each domain still has its own lock and marks.
 */
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "relay/control.h"
#include "relay/runner_run.h"

/* Milliseconds that connections wait for the next domain. */
#define KEEP_MS 2000
/* Then a relay's name is looked up anew. */
#define ROUTE_MS 300000

void
run_quit(struct run *r, bool idle, bool others)
{
	for (unsigned i = 0; i < r->n_slots; i++) {
		struct slot *s = &r->slots[i];

		if (s->state != SLOT_FREE && (s->state == SLOT_IDLE ? idle : others))
			slot_quit(s);
	}
}

/* That a hop was of no use a moment ago holds for the next domain, too. */
void
run_take_kept(struct run *r)
{
	int64_t now = clock_ms();
	bool same = r->kept_until > now && !r->held && r->routed && now - r->routed_at < ROUTE_MS &&
	            way_is_same(&r->way, &r->kept);

	for (unsigned i = 0; i < 2; i++)
		if (!same || !r->no_hop[i].met)
			memset(&r->no_hop[i], 0, sizeof r->no_hop[i]);
	if (!same)
		run_quit(r, true, true);
	r->routed = same && r->route.n > 0;
	r->kept_until = 0;
}

void
run_end_kept(struct run *r)
{
	run_quit(r, true, true);
	r->kept_until = 0;
}

void
run_keep(struct run *r)
{
	/* The dispatcher shares no hop out among domains on hold. */
	if (r->held || !way_is_fixed(&r->way)) {
		run_quit(r, true, true);
		return;
	}
	r->kept = r->way;
	r->kept_until = clock_ms() + KEEP_MS;
}

bool
run_share(struct run *r, const struct packet *p)
{
	uint64_t share;

	if (p->letter != CONTROL_SHARE || p->n != 1 || p->fd[0] != -1 ||
	    !parse_u64(p->field[0], r->n_slots, &share) || share == 0)
		return false;
	r->share = (unsigned)share;
	return true;
}

/* A peer that has closed meanwhile is noticed at the next message. */
void
run_wait(struct run *r)
{
	struct pollfd p = { r->setup->control, POLLIN, 0 };
	int64_t left = r->kept_until - clock_ms();

	if (r->kept_until == 0 || poll(&p, 1, left > 0 ? (int)left : 0) == 1)
		return;
	run_end_kept(r);
}
