/* Sessions forked ahead, as the front hears of them. The nursery forks; see nursery.h. */
#include "front/state.h"

#include <errno.h>
#include <sys/epoll.h>

#include "base/log.h"

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
	front_watch(f, EPOLL_CTL_ADD, brood_control(n.sessions), EPOLLIN, NURSERY, 0);
	return 0;
}

static void
replace_nursery(struct front *f)
{
	if (spares_start(f) == -1)
		die_temp("start the nursery", errno);
}

void
spares_on_nursery(struct front *f)
{
	struct brood_news news;

	if (f->stopping)
		return; /* an event from before */
	for (int i = 0; i < FRONT_BATCH; i++)
		switch (brood_hear(f->nursery.sessions, &news)) {
		case BROOD_NOTHING:
			return;
		case BROOD_BORN:
		case BROOD_READY:
			connection_retry(f);
			break;
		case BROOD_ENDED:
			front_count_death(f, nursery_log_death(news.status));
			connection_retry(f); /* perhaps the last of whom a word would have come */
			break;
		case BROOD_SHORT:
			log_error("fork a session", news.status);
			break;
		case BROOD_OLD:
			replace_nursery(f);
			return;
		case BROOD_GONE:
			log_error("the nursery is gone, starting another", 0);
			replace_nursery(f);
			return;
		}
}
