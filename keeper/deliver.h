/* The commit: one file, one link for each mailbox, everything on disk, then yes. */
#ifndef KEEPER_DELIVER_H
#define KEEPER_DELIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "keeper/message.h"
#include "keeper/resolve.h"

struct delivery {
	int state;
	const char *host;         /* for Maildir names */
	struct message *message;  /* sealed */
	uint64_t size;            /* of the file, octets */
	struct targets *targets;  /* each destination's outcome is set */
	bool each_alone;          /* LMTP: one may fail without the others */
};

/*
 * Syncs, links, syncs the directories. When not each_alone, either every mailbox
 * has the message and every outcome is ANSWER_YES, or none keeps it and every
 * outcome is the same refusal.
 */
void deliver(struct delivery *d);

#endif
