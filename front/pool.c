/* See pool.h. The last one used is the first one taken: its pages are warm. */
#include "front/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

void
pool_init(struct pool *p)
{
	p->idle = -1;
	p->n_idle = 0;
	p->free = -1;
	for (int i = LIMIT_CONNECTIONS - 1; i >= 0; i--) {
		p->at[i] = (struct pooled){ .control = -1, .conn = -1, .next = p->free };
		p->free = i;
	}
}

static int
fork_keeper(struct pool *p, const struct front_setup *setup)
{
	int pair[2];
	int place = p->free;
	pid_t pid;

	if (place == -1) {
		errno = EAGAIN;
		return -1;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		return -1;
	pid = fork();
	if (pid == 0) {
		sigset_t none;

		(void)sigemptyset(&none); /* the front takes its signals by signalfd */
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		setup->run_keeper(pair[1]);
		_exit(0);
	}
	(void)close(pair[1]);
	if (pid == -1) {
		int err = errno;

		(void)close(pair[0]); /* nobody has the other end */
		errno = err;
		return -1;
	}
	(void)fcntl(pair[0], F_SETFL, O_NONBLOCK); /* the front waits in one place only */
	p->free = p->at[place].next;
	p->at[place] = (struct pooled){ .control = pair[0], .pid = pid, .conn = -1, .next = -1 };
	return place;
}

int
pool_take(struct pool *p, const struct front_setup *setup, int conn, bool *is_new)
{
	int place = p->idle;

	*is_new = place == -1;
	if (*is_new) {
		place = fork_keeper(p, setup);
		if (place == -1)
			return -1;
	} else {
		p->idle = p->at[place].next;
		p->n_idle--;
	}
	p->at[place].conn = conn;
	return place;
}

void
pool_remove(struct pool *p, int place)
{
	struct pooled *k = &p->at[place];

	if (k->conn == -1) {
		/* An idle one that died: take it out of its list. */
		for (int *i = &p->idle; *i != -1; i = &p->at[*i].next) {
			if (*i == place) {
				*i = k->next;
				p->n_idle--;
				break;
			}
		}
	}
	(void)close(k->control); /* tells the keeper, should it be there */
	*k = (struct pooled){ .control = -1, .conn = -1, .next = p->free };
	p->free = place;
}

void
pool_put_back(struct pool *p, int place)
{
	struct pooled *k = &p->at[place];

	if (k->old || p->n_idle >= POOL_IDLE) {
		pool_remove(p, place);
		return;
	}
	k->conn = -1;
	k->next = p->idle;
	p->idle = place;
	p->n_idle++;
}

void
pool_retire(struct pool *p)
{
	while (p->idle != -1)
		pool_remove(p, p->idle);
	for (int i = 0; i < LIMIT_CONNECTIONS; i++)
		p->at[i].old = p->at[i].control != -1;
}
