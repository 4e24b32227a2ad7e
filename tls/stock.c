/* See stock.h. */
#include "tls/stock.h"

#include <errno.h>
#include <unistd.h>

#include "base/helper.h"
#include "base/log.h"
#include "base/packet.h"
#include "tls/ancestor.h"
#include "tls/serve.h"

#define SPARES 4 /* relays forked ahead; ordered when half are taken */
/* Reloads with connections older than so many are no longer counted. */
#define GENERATIONS 8

_Static_assert(2 * GENERATIONS <= HELPER_WATCH, "helper_run() has no room for all of them");

struct generation {
	bool used;
	struct ancestor from; /* its queue is closed but for the newest */
	unsigned busy;        /* of earlier ones: all relays */
	int spares;           /* waiting; negative: so many connections wait */
};

static struct generation all[GENERATIONS];
static struct generation *newest;

static void
forget(struct generation *g)
{
	if (g->from.queue != -1)
		(void)close(g->from.queue); /* who waits there sees the end */
	(void)close(g->from.control);
	*g = (struct generation){ .used = false };
}

static struct generation *
find_room(void)
{
	struct generation *least = NULL;

	for (unsigned i = 0; i < GENERATIONS; i++) {
		if (!all[i].used)
			return &all[i];
		if (&all[i] != newest && (least == NULL || all[i].busy < least->busy))
			least = &all[i];
	}
	forget(least);
	return least;
}

static void
order(struct generation *g)
{
	if (g->spares > SPARES / 2)
		return;
	/* Gone: that is heard of soon. */
	if (ancestor_order(&g->from, (unsigned)(SPARES - g->spares)))
		g->spares = SPARES;
}

/* What is in its queue is taken still; then comes the end. */
static void
retire(struct generation *g)
{
	(void)close(g->from.queue);
	g->from.queue = -1;
	g->busy += g->spares > 0 ? (unsigned)g->spares : 0;
	g->spares = 0;
}

bool
stock_renew(void)
{
	struct ancestor a;
	struct generation *g;

	if (!ancestor_start(&a, serve_run))
		return false;
	if (newest != NULL && newest->used)
		retire(newest);
	g = find_room();
	*g = (struct generation){ .used = true, .from = a };
	newest = g;
	order(g);
	return true;
}

void
stock_give(int asker, int channel)
{
	struct packet p;
	int sent;

	packet_start(&p, SERVE_JOB);
	sent = channel != -1 ? packet_send_pair(newest->from.queue, &p, asker, channel) :
	                       packet_send(newest->from.queue, &p, asker);
	if (sent == 0) {
		newest->busy++;
		newest->spares--;
		order(newest);
	} else {
		log_error("give a connection to a relay", errno); /* the asker sees its end */
	}
	(void)close(asker);
	if (channel != -1)
		(void)close(channel);
}

unsigned
stock_busy(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < GENERATIONS; i++)
		n += all[i].busy;
	return n;
}

unsigned
stock_watch(struct pollfd *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < GENERATIONS; i++) {
		if (!all[i].used)
			continue;
		p[n++] = (struct pollfd){ all[i].from.control, POLLIN, 0 };
		if (all[i].from.queue != -1)
			p[n++] = (struct pollfd){ all[i].from.queue, POLLIN, 0 };
	}
	return n;
}

static void
finish(struct generation *g, unsigned n)
{
	g->busy -= n < g->busy ? n : g->busy;
}

/* Words of the newest's relays. True: something has come back. */
static bool
hear_relays(struct generation *g, int *asker)
{
	struct packet p;

	while (packet_recv(g->from.queue, &p) == 1) {
		if (p.letter == SERVE_READY || p.letter == SERVE_BACK) {
			finish(g, 1);
			g->spares++;
		}
		if (p.letter == SERVE_BACK && p.fd[0] != -1 && p.fd[1] == -1) {
			*asker = p.fd[0];
			return true;
		}
		packet_close_fds(&p);
	}
	return false;
}

/* True: an ancestor of now has died. */
static bool
hear_ancestor(struct generation *g)
{
	struct ancestor_news news;

	ancestor_hear(&g->from, &news);
	finish(g, g == newest ? news.ended : news.ended + news.idle);
	if (news.gone || (g != newest && g->busy == 0)) {
		forget(g);
	} else if (g == newest) {
		/* Perhaps the dead one was waiting: one too many does no harm. */
		g->spares -= (int)news.idle + news.died;
		order(g);
	}
	return !newest->used;
}

enum stock_word
stock_hear(int *asker)
{
	for (unsigned i = 0; i < GENERATIONS; i++)
		if (all[i].used && hear_ancestor(&all[i]))
			return STOCK_GONE; /* and stock_renew() is what follows */
	return hear_relays(newest, asker) ? STOCK_BACK : STOCK_NOTHING;
}
