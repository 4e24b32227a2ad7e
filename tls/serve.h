/*
 * A relay: waits for a connection, makes the handshake, tells the facts, and carries
 * octets. Forked and confined by its ancestor (ancestor.h).
 */
#ifndef TLS_SERVE_H
#define TLS_SERVE_H

#include <stdint.h>
#include <stdnoreturn.h>

struct context;

/* To a relay: who asks (base/helper.h, the dialogue with tls), a channel to the holder. */
#define SERVE_JOB 'j'
/* From it: it can take another one; or this one, whose end is beside it, it cannot serve. */
#define SERVE_READY 'y'
#define SERVE_BACK 'b'

struct serve_setup {
	const struct context *context; /* NULL: no server */
	unsigned handshake;            /* seconds it may take */
	uint64_t reuse;                /* connections of one relay */
};

/* In the parent, before the ancestor: what its relays are to know. */
void serve_prepare(const struct serve_setup *setup);

/*
 * A relay of its own, without an ancestor: one connection as a client, for who asks on that
 * descriptor, above which nothing stays open. The exit code. client_prepare() comes before.
 */
int serve_asker(int asker, unsigned seconds);

/* In a relay, on ANCESTOR_QUEUE. */
noreturn void serve_run(void);

#endif
