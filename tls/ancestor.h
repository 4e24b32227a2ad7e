/*
 * The ancestor of the relays: forked from the warmed parent, confined once, it forks relays
 * on the parent's word. Each waits on the common queue for a connection. So a connection
 * finds its relay ready, and no relay pays for what it inherits.
 */
#ifndef TLS_ANCESTOR_H
#define TLS_ANCESTOR_H

#include <stdbool.h>

/* A relay's descriptor: jobs come in, words go out. */
#define ANCESTOR_QUEUE 4

/* How a relay says by its exit code that it ended without a connection. */
#define ANCESTOR_IDLE 3

struct ancestor {
	int control; /* the parent's ends, close-on-exec and non-blocking; -1 = closed */
	int queue;
};

/* Forks it; its relays call run(), which does not return. False: logged. */
bool ancestor_start(struct ancestor *a, void (*run)(void));

/* Orders n more relays. False: the ancestor is gone. */
bool ancestor_order(const struct ancestor *a, unsigned n);

struct ancestor_news {
	unsigned ended; /* relays that had a connection */
	unsigned idle;  /* and that had none */
	bool died;      /* one by a signal, which has been logged: counted in `ended` */
	bool gone;      /* the ancestor itself */
};

/* What it has told since the last call. */
void ancestor_hear(const struct ancestor *a, struct ancestor_news *news);

#endif
