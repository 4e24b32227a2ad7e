/* The commit: one file, one link for each mailbox and queue, everything on disk, then yes. */
#ifndef KEEPER_DELIVER_H
#define KEEPER_DELIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/envelope.h"
#include "keeper/message.h"
#include "keeper/resolve.h"

struct delivery {
	int state;
	int tmp;                  /* STATE/tmp, where envelopes are written */
	const char *host;         /* for Maildir names */
	/* What all envelopes have in common: all but id, sender's rewriting, recipients. */
	struct envelope *envelope;
	const char *id;           /* of the message */
	struct address sender;
	struct resolver *resolver; /* for its srs_key */
	struct message *message;  /* sealed */
	uint64_t size;            /* of the file, octets */
	struct targets *targets;  /* each destination's outcome is set */
	const struct recipient *recipients;
	unsigned n_recipients;
	const char *name;         /* of the message in Maildirs but for its size; NULL: a new one */
	bool again;               /* it may have been delivered under that name before */
	bool each_alone;          /* LMTP: one recipient may fail without the others */
};

/*
 * Syncs, links, syncs the directories. When not each_alone, either every mailbox
 * has the message and every outcome is ANSWER_YES, or none keeps it and every
 * outcome is the same refusal. When each_alone, that holds for the mailboxes of one
 * recipient, but those that another recipient has in full.
 */
void deliver(struct delivery *d);

/* ANSWER_YES, or the first refusal among the mailboxes of one recipient. */
enum answer deliver_outcome(const struct targets *t, const struct recipient *r);

#endif
