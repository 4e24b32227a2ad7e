/* What has become of a message's recipients, as the runner is told (base/sending.h). */
#ifndef RELAY_SENDER_OUTCOME_H
#define RELAY_SENDER_OUTCOME_H

#include <stdbool.h>

#include "base/packet.h"
#include "relay/client_send.h"

/* Zero but for the first five, at the beginning of each message. */
struct sender_outcome {
	int boundary;
	bool used;              /* a message was sent over the connection before */
	struct packet *out;     /* room for what is sent */
	const struct client *client;
	const struct client_message *message;
	unsigned told;
	/* Those that are to be told in one packet: recipients from..to, and list before them. */
	bool pending;
	unsigned from, to;
	char list[LIMIT_OUTCOME_LIST];
	struct text listed;     /* into list */
	struct client_verdict verdict;
};

/*
 * For client_send(), arg being a struct sender_outcome: one final reply is for all that were
 * taken, and told at once.
 */
void sender_outcome_add(void *arg, unsigned i, const struct client_verdict *v);

/* What is still to be told. Should nobody be there, the connection's next wait will see. */
void sender_outcome_tell(struct sender_outcome *o);

#endif
