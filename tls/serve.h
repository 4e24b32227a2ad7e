/*
 * A relay: waits for a connection, makes the handshake, tells the facts, and carries
 * octets. Forked, confined and rewound by its ancestor (ancestor.h).
 */
#ifndef TLS_SERVE_H
#define TLS_SERVE_H

#include "base/spawn.h"

struct context;

/*
 * To a relay: keys of tickets (ticket.h); beside them who asks (base/helper.h, the dialogue
 * with tls), and a channel to the holder.
 */
#define SERVE_JOB 'j'
/* Its exit code: it has left a connection untouched that needs a client's contexts. */
#define SERVE_BACK 3

struct serve_setup {
	const struct context *context; /* NULL: no server */
	unsigned handshake;            /* seconds it may take */
};

/* In the parent, before the ancestor: what its relays are to know. */
void serve_prepare(const struct serve_setup *setup);

/*
 * A relay of its own, without an ancestor: one connection as a client, for who asks on that
 * descriptor, above which nothing stays open. The exit code. client_prepare() comes before.
 */
int serve_asker(int asker, unsigned seconds);

/* In its ancestor: what each relay writes to (base/spawn.h). */
void serve_hot(struct rewind_hot hot[SPAWN_HOT]);

/* In a relay: one connection, from ANCESTOR_JOBS. Ends where there is none. */
void serve_run(void);

#endif
