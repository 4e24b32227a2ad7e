/*
 * Sessions forked ahead, as the front counts them. The nursery forks; see nursery.h.
 */
#include "front/state.h"

#include <errno.h>
#include <sys/epoll.h>

#include "base/log.h"

#define SPARES 8 /* sessions forked ahead; ordered when half are taken */

/* Sessions that can take one more connection (session-reuse). */
void
spares_count(struct front *f)
{
	struct packet p;

	for (int i = 0; i < FRONT_BATCH && packet_recv(f->nursery.queue, &p) == 1; i++) {
		packet_close_fds(&p); /* none is ever meant for us */
		f->spares += p.letter == FRONT_READY && f->spares < LIMIT_CONNECTIONS;
	}
}

void
spares_order(struct front *f)
{
	if (f->stopping || f->spares > SPARES / 2)
		return;
	spares_count(f);
	if (f->spares > SPARES / 2)
		return; /* none was missing, their word was only late */
	if (nursery_order(&f->nursery, (unsigned)(SPARES - f->spares)) == -1)
		log_error("order sessions", errno);
	else
		f->spares = SPARES;
}

/* Another nursery in the place of this one; -1: it cannot start, and all is as before. */
int
spares_start(struct front *f)
{
	struct nursery n;

	if (nursery_start(&n, f->setup) == -1)
		return -1;
	if (f->nursery.pid != 0)
		nursery_stop(&f->nursery);
	f->last_nursery = f->nursery.pid;
	f->nursery = n;
	front_watch(f, EPOLL_CTL_ADD, f->nursery.control, EPOLLIN, NURSERY, 0);
	front_watch(f, EPOLL_CTL_ADD, f->nursery.queue,
	      f->held == -1 ? EPOLLIN : EPOLLIN | EPOLLOUT, QUEUE, 0);
	f->spares = 0;
	spares_order(f);
	return 0;
}

void
spares_on_nursery(struct front *f)
{
	int sig;

	if (f->stopping)
		return; /* an event from before */
	switch (nursery_hear(&f->nursery, &sig)) {
	case 0:
		return;
	case 1:
		f->spares--; /* perhaps one that waited: one too many does no harm */
		spares_order(f);
		front_count_death(f, sig);
		return;
	case 2:
		break;
	default:
		log_error("the nursery is gone, starting another", 0);
		break;
	}
	if (spares_start(f) == -1)
		die_temp("start the nursery", errno);
}
