/*
 * TLS of one session, as the keeper sees it: a helper (base/helper.h) is given the
 * client's connection and gives the facts of the handshake; the session goes on with
 * the plain end of a pair. Nobody here sees an octet of it.
 */
#ifndef KEEPER_SECURE_H
#define KEEPER_SECURE_H

#include <stdbool.h>

#include "base/helper.h"
#include "base/job.h"
#include "base/packet.h"

struct secure {
	int helper;             /* a connection to tls, or -1 */
	bool up;
	struct tls_facts facts; /* all "" until up */
};

void secure_init(struct secure *s);

/* Can TLS be had? Connects to the helper, which starts to work. */
bool secure_ask(struct secure *s, const struct helper_door *door);

/*
 * Hands conn over and waits for the handshake, `seconds` at most. On success conn
 * itself has become the plain end (dup2), and so has what a session gets of it.
 * False: there is no TLS, and nothing to go back to.
 */
bool secure_start(struct secure *s, struct packet *p, const struct job *job,
                  uint64_t seconds);

/* Forgets everything. */
void secure_end(struct secure *s);

#endif
