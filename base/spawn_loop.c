/* See spawn_loop.h. Reads orders only; never an octet of the network. */
#include "base/spawn_loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/limits.h"
#include "base/num.h"
#include "base/packet.h"
#include "base/spawn.h"

#define BUSY_MS 20
#define RETRY_MS 100

static void
on_child(int sig)
{
	(void)sig; /* only there to interrupt ppoll */
}

void
spawn_loop_signals(void)
{
	struct sigaction on = { .sa_handler = on_child };
	sigset_t child;

	/* Valid signals and sets: these cannot fail. */
	(void)sigemptyset(&child);
	(void)sigaddset(&child, SIGCHLD);
	(void)sigprocmask(SIG_SETMASK, &child, NULL);
	(void)sigaction(SIGCHLD, &on, NULL);
}

/* What stays owed when memory or processes are short is tried again; told once. */
static void
fork_owed(const struct spawn_loop *l, uint64_t *owed, bool *is_short)
{
	while (*owed > 0) {
		if (spawn_session(l->run) == -1) {
			if (!*is_short)
				l->is_short(errno);
			*is_short = true;
			return;
		}
		*is_short = false;
		--*owed;
	}
}

static bool
take_order(const struct spawn_loop *l, uint64_t *owed)
{
	struct packet packet;
	uint64_t n;

	if (packet_recv(l->control, &packet) != 1 || packet.letter != SPAWN_ORDER ||
	    packet.n != 1 || !parse_u64(packet.field[0], LIMIT_CONNECTIONS, &n))
		return false;
	*owed += n;
	if (l->ordered != NULL)
		l->ordered();
	return true;
}

void
spawn_loop(const struct spawn_loop *l)
{
	static const struct timespec soon = { 0, BUSY_MS * 1000000 };
	static const struct timespec retry = { 0, RETRY_MS * 1000000 };
	struct pollfd p = { l->control, POLLIN, 0 };
	sigset_t none;
	uint64_t owed = 0;
	bool busy = false, is_short = false;

	(void)sigemptyset(&none); /* cannot fail */
	for (;;) {
		int ready = ppoll(&p, 1, busy ? &soon : owed > 0 ? &retry : NULL,
		                  busy ? NULL : &none);

		busy = ready > 0;
		l->reap();
		if (busy && !take_order(l, &owed))
			return;
		fork_owed(l, &owed, &is_short);
	}
}
