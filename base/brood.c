/* See brood.h. Reads packets of the ancestor only; its children's it never reads. */
#include "base/brood.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/ancestor.h"
#include "base/num.h"
#include "base/packet.h"

enum state {
	FREE,    /* no child has the slot */
	ORDERED, /* none has it yet */
	WAITING, /* in the list */
	BUSY,
	LEAVING, /* it has been told to go */
};

struct slot {
	enum state state;
	int jobs; /* our end; -1: closed */
	int next; /* of a list; -1: its end */
	uint64_t uses;
};

struct brood {
	struct brood_setup setup;
	bool retired;
	int waiting, unused; /* the last that came is taken first: its pages are warm */
	unsigned n_ordered, n_waiting, n_busy, high;
	struct slot at[ANCESTOR_CHILDREN];
};

static void
push(struct brood *b, int *list, int slot)
{
	b->at[slot].next = *list;
	*list = slot;
}

static int
pop(struct brood *b, int *list)
{
	int slot = *list;

	if (slot != -1)
		*list = b->at[slot].next;
	return slot;
}

/* A child that is nobody's any more: it ends at the end of its jobs. */
static void
dismiss(struct brood *b, int slot)
{
	if (b->at[slot].jobs != -1)
		(void)close(b->at[slot].jobs);
	b->at[slot].jobs = -1;
	b->at[slot].state = LEAVING;
}

static int
send_order(struct brood *b, int slot, int jobs)
{
	struct packet p;

	packet_start(&p, ANCESTOR_ORDER);
	packet_addu(&p, (uint64_t)slot);
	return packet_send(b->setup.control, &p, jobs);
}

/* One more child. 0, or -1 with errno. */
static int
order(struct brood *b)
{
	int pair[2];
	int slot = pop(b, &b->unused);
	int err;

	if (slot == -1 && b->high < ANCESTOR_CHILDREN)
		slot = (int)b->high++;
	if (slot == -1) {
		errno = EMFILE;
		return -1;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1) {
		push(b, &b->unused, slot);
		return -1;
	}
	(void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
	(void)shutdown(pair[0], SHUT_RD); /* nothing is heard from there */
	err = send_order(b, slot, pair[1]) == 0 ? 0 : errno;
	(void)close(pair[1]); /* the child's */
	if (err != 0) {
		(void)close(pair[0]);
		push(b, &b->unused, slot);
		errno = err;
		return -1;
	}
	b->at[slot] = (struct slot){ .state = ORDERED, .jobs = pair[0] };
	b->n_ordered++;
	return 0;
}

/* 0, or why nothing more could be ordered: it will be missed again. */
static int
top_up(struct brood *b)
{
	if (b->retired || b->n_ordered + b->n_waiting > b->setup.spares / 2)
		return 0;
	while (b->n_ordered + b->n_waiting < b->setup.spares)
		if (order(b) == -1)
			return errno;
	return 0;
}

static int
take(struct brood *b)
{
	int slot = pop(b, &b->waiting);

	b->n_waiting -= slot != -1;
	return slot;
}

static void
put(struct brood *b, int slot)
{
	b->at[slot].state = WAITING;
	push(b, &b->waiting, slot);
	b->n_waiting++;
}

struct brood *
brood_new(const struct brood_setup *setup)
{
	struct brood *b = mmap(NULL, sizeof *b, PROT_READ | PROT_WRITE,
	                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (b == MAP_FAILED)
		return NULL;
	(void)madvise(b, sizeof *b, MADV_DONTFORK); /* without it: slower, no worse */
	b->setup = *setup;
	b->waiting = b->unused = -1;
	(void)fcntl(setup->control, F_SETFL, O_NONBLOCK);
	(void)top_up(b);
	return b;
}

void
brood_retire(struct brood *b)
{
	int slot;

	b->retired = true;
	while ((slot = take(b)) != -1)
		dismiss(b, slot);
}

void
brood_free(struct brood *b)
{
	for (unsigned i = 0; i < b->high; i++)
		if (b->at[i].state != FREE)
			dismiss(b, (int)i);
	(void)close(b->setup.control);
	(void)munmap(b, sizeof *b); /* ours: cannot fail */
}

int
brood_control(const struct brood *b)
{
	return b->setup.control;
}

unsigned
brood_busy(const struct brood *b)
{
	return b->n_busy;
}

/* A child that has died where it waited is passed over; we hear of that, too. */
int
brood_give(struct brood *b, int (*send)(int jobs, const void *what), const void *what)
{
	int slot, err;

	while ((slot = take(b)) != -1) {
		if (send(b->at[slot].jobs, what) == 0) {
			b->at[slot].state = BUSY;
			b->at[slot].uses++;
			b->n_busy++;
			break;
		}
		if (errno != EPIPE && errno != ECONNRESET) {
			put(b, slot);
			return -1;
		}
		dismiss(b, slot);
	}
	err = top_up(b);
	/* Words will come of those that are ordered or busy, and of nobody else. */
	errno = b->n_ordered + b->n_busy > 0 ? EAGAIN : err;
	return slot;
}

static void
drop(struct brood *b, int slot)
{
	int *at = &b->waiting;

	while (*at != -1 && *at != slot)
		at = &b->at[*at].next;
	if (*at == slot) {
		*at = b->at[slot].next;
		b->n_waiting--;
	}
}

static void
on_birth(struct brood *b, int slot)
{
	if (b->at[slot].state != ORDERED)
		return;
	b->n_ordered--;
	if (b->retired || b->n_waiting >= b->setup.idle)
		dismiss(b, slot);
	else
		put(b, slot);
}

static void
on_ready(struct brood *b, int slot)
{
	struct slot *s = &b->at[slot];

	if (s->state != BUSY)
		return;
	b->n_busy--;
	if (b->retired || s->uses >= b->setup.uses || b->n_waiting >= b->setup.idle)
		dismiss(b, slot);
	else
		put(b, slot);
}

static bool
on_end(struct brood *b, int slot)
{
	enum state was = b->at[slot].state;

	b->n_busy -= was == BUSY;
	b->n_ordered -= was == ORDERED;
	if (was == WAITING)
		drop(b, slot);
	dismiss(b, slot);
	b->at[slot].state = FREE;
	push(b, &b->unused, slot);
	return was == BUSY;
}

/* From here on none is kept that others may miss. */
static void
shed(struct brood *b)
{
	b->setup.idle = b->setup.spares;
	while (b->n_waiting > b->setup.spares)
		dismiss(b, take(b));
}

enum brood_word
brood_hear(struct brood *b, struct brood_news *news)
{
	struct packet p;
	uint64_t first, second;
	int r;

	do
		r = packet_recv(b->setup.control, &p);
	while (r == 1 && p.letter == ANCESTOR_LIVES);
	if (r == -1 && errno == EAGAIN) {
		(void)top_up(b);
		return BROOD_NOTHING;
	}
	packet_close_fds(&p); /* none is ever meant for us */
	if (r != 1 || p.n != 2 || !parse_u64(p.field[0], INT32_MAX, &first) ||
	    !parse_u64(p.field[1], INT32_MAX, &second))
		return BROOD_GONE;
	*news = (struct brood_news){ (unsigned)first, (int)second, false };
	if (p.letter == ANCESTOR_OLD)
		return BROOD_OLD;
	if (p.letter == ANCESTOR_SHORT) {
		news->status = (int)first;
		shed(b);
		return BROOD_SHORT;
	}
	if (first >= b->high || b->at[first].state == FREE)
		return BROOD_GONE;
	if (p.letter == ANCESTOR_BORN) {
		on_birth(b, (int)first);
		return BROOD_BORN;
	}
	if (p.letter == ANCESTOR_READY) {
		on_ready(b, (int)first);
		return BROOD_READY;
	}
	if (p.letter != ANCESTOR_ENDED)
		return BROOD_GONE;
	news->busy = on_end(b, (int)first);
	return BROOD_ENDED;
}
