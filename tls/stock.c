/* See stock.h. */
#include "tls/stock.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ancestor.h"
#include "base/brood.h"
#include "base/helper.h"
#include "base/log.h"
#include "base/packet.h"
#include "tls/ancestor.h"
#include "tls/client.h"
#include "tls/serve.h"
#include "tls/ticket.h"

#define SPARES 4 /* relays forked ahead */
#define IDLE 32  /* and those that have served and wait */
/* Reloads with connections older than so many are no longer counted. */
#define GENERATIONS 8

_Static_assert(GENERATIONS <= HELPER_WATCH, "helper_run() has no room for all of them");

struct generation {
	struct brood *relays;        /* NULL: none */
	bool has_clients;            /* its relays can serve as clients, too */
	int kept[ANCESTOR_CHILDREN]; /* else: who asked, while the relay looks; or -1 */
};

struct job {
	int asker, channel;
};

/*
 * Those that no relay could take yet, the first comes first. Until then no other is
 * accepted, but some may come back.
 */
struct held {
	unsigned n;
	struct job at[ANCESTOR_CHILDREN];
};

/* In memory that no relay inherits. */
static struct held *held;
static struct generation *all;
static struct generation *newest;

static void
let_go(struct generation *g, unsigned slot)
{
	if (g->kept[slot] != -1)
		(void)close(g->kept[slot]);
	g->kept[slot] = -1;
}

static void
forget(struct generation *g)
{
	brood_free(g->relays);
	g->relays = NULL;
	for (unsigned i = 0; i < ANCESTOR_CHILDREN && !g->has_clients; i++)
		let_go(g, i);
}

static void *
allocate(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		log_error("mmap", errno);
		return NULL;
	}
	(void)madvise(p, size, MADV_DONTFORK); /* without it: slower, no worse */
	return p;
}

static bool
make_room(void)
{
	if (all == NULL)
		all = allocate(GENERATIONS * sizeof *all);
	if (held == NULL)
		held = allocate(sizeof *held);
	return all != NULL && held != NULL;
}

static struct generation *
find_room(void)
{
	struct generation *least = NULL;

	for (unsigned i = 0; i < GENERATIONS; i++) {
		if (all[i].relays == NULL)
			return &all[i];
		if (&all[i] != newest &&
		    (least == NULL || brood_busy(all[i].relays) < brood_busy(least->relays)))
			least = &all[i];
	}
	forget(least);
	return least;
}

bool
stock_renew(uint64_t uses)
{
	struct brood_setup b = { .spares = SPARES, .idle = IDLE, .uses = uses };
	struct generation *g;
	struct brood *relays;

	if (!make_room() || (b.control = tls_ancestor_start(serve_run, uses == 1)) == -1)
		return false;
	relays = brood_new(&b);
	if (relays == NULL) {
		log_error("count relays", errno);
		(void)close(b.control);
		return false;
	}
	if (newest != NULL && newest->relays != NULL)
		brood_retire(newest->relays);
	g = find_room();
	g->relays = relays;
	g->has_clients = client_is_ready();
	for (unsigned i = 0; i < ANCESTOR_CHILDREN && !g->has_clients; i++)
		g->kept[i] = -1;
	newest = g;
	return true;
}

static int
send_job(int jobs, const void *what)
{
	const struct job *j = what;
	struct packet p;
	int sent;

	packet_start(&p, SERVE_JOB);
	ticket_add(&p);
	sent = j->channel != -1 ? packet_send_pair(jobs, &p, j->asker, j->channel) :
	                          packet_send(jobs, &p, j->asker);
	explicit_bzero(p.buf, p.len);
	return sent;
}

/* False: not yet. */
static bool
give(const struct job *j)
{
	int slot = brood_give(newest->relays, send_job, j);

	if (slot == -1 && errno == EAGAIN)
		return false;
	if (slot == -1)
		log_error("give a connection to a relay", errno); /* the asker sees its end */
	if (slot != -1 && !newest->has_clients)
		newest->kept[slot] = j->asker;
	else
		(void)close(j->asker);
	if (j->channel != -1)
		(void)close(j->channel);
	return true;
}

void
stock_give(int asker, int channel)
{
	const struct job j = { asker, channel };

	if (held->n == 0 && give(&j))
		return;
	if (held->n < ANCESTOR_CHILDREN) {
		held->at[held->n++] = j;
		return;
	}
	log_error("too many connections wait for a relay", 0);
	(void)close(asker);
	if (channel != -1)
		(void)close(channel);
}

static void
retry(void)
{
	unsigned given = 0;

	while (given < held->n && give(&held->at[given]))
		given++;
	held->n -= given;
	memmove(held->at, held->at + given, held->n * sizeof held->at[0]);
}

unsigned
stock_busy(void)
{
	unsigned n = 0;

	if (held->n > 0)
		return UINT_MAX;
	for (unsigned i = 0; i < GENERATIONS; i++)
		if (all[i].relays != NULL)
			n += brood_busy(all[i].relays);
	return n;
}

unsigned
stock_watch(struct pollfd *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < GENERATIONS; i++)
		if (all[i].relays != NULL)
			p[n++] = (struct pollfd){ brood_control(all[i].relays), POLLIN, 0 };
	return n;
}

static void
log_death(int status)
{
	struct log_line l;

	if (!WIFSIGNALED(status))
		return;
	log_start(&l, "child-died");
	log_signal(&l, WTERMSIG(status));
	log_send(&l, LOG_LEVEL_ERROR);
}

/* True: it has left its connection as it was, for want of what clients need. */
static bool
is_back(struct generation *g, const struct brood_news *news, int *asker)
{
	if (g->has_clients || !WIFEXITED(news->status) ||
	    WEXITSTATUS(news->status) != SERVE_BACK || g->kept[news->slot] == -1)
		return false;
	*asker = g->kept[news->slot];
	g->kept[news->slot] = -1;
	return true;
}

static enum stock_word
hear_one(struct generation *g, int *asker)
{
	struct brood_news news;

	for (;;)
		switch (brood_hear(g->relays, &news)) {
		case BROOD_NOTHING:
			if (g != newest && brood_busy(g->relays) == 0)
				forget(g);
			return STOCK_NOTHING;
		case BROOD_ENDED:
			log_death(news.status);
			if (is_back(g, &news, asker))
				return STOCK_BACK;
			__attribute__((fallthrough));
		case BROOD_READY:
			if (!g->has_clients)
				let_go(g, news.slot);
			__attribute__((fallthrough));
		case BROOD_BORN:
			if (g == newest)
				retry();
			break;
		case BROOD_SHORT:
			log_error("fork a relay", news.status);
			break;
		case BROOD_OLD:
			if (g == newest)
				return STOCK_OLD;
			break;
		case BROOD_GONE:
			forget(g);
			return g == newest ? STOCK_GONE : STOCK_NOTHING;
		}
}

enum stock_word
stock_hear(int *asker)
{
	for (unsigned i = 0; i < GENERATIONS; i++) {
		enum stock_word word = STOCK_NOTHING;

		if (all[i].relays != NULL)
			word = hear_one(&all[i], asker);
		if (word != STOCK_NOTHING)
			return word; /* of STOCK_GONE stock_renew() is what follows */
	}
	return STOCK_NOTHING;
}
