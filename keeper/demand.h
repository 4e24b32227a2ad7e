/*
 * Mail on demand: whose mail a login may ask for (ETRN, RFC 1985; ATRN, RFC 2645), how
 * much of it waits, and the word to flush that it be sent. What a client named is
 * compared with the names of configured domains and queues, and used for nothing else.
 */
#ifndef KEEPER_DEMAND_H
#define KEEPER_DEMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/boundary.h"
#include "base/helper.h"
#include "base/limits.h"

struct demand {
	int state, domains;             /* held directories */
	const struct helper_door *flush;
	const char *login;
	const char *id;                 /* of this request, in our log and in flush's */
};

struct demand_result {
	uint64_t count;                 /* messages that wait, ANSWER_YES and ANSWER_UNDER_WAY */
	unsigned domains;               /* that they are for */
};

/*
 * ETRN for name (a domain or a queue, in any case of letters). ANSWER_YES: asked for, and
 * r->count is all there is; ANSWER_NONE_WAIT; ANSWER_STARTED: asked for, but not counted to
 * the end, or not told to flush in full; ANSWER_UNDER_WAY; ANSWER_DENIED: it names nothing
 * that this login may ask for; ANSWER_ERROR, logged.
 */
enum answer demand_flush(const struct demand *d, enum ask_kind kind, const char *name,
                         struct demand_result *r);

/* What ATRN has been granted. */
struct demand_turn {
	char id[LIMIT_ID + 1];
	char domains[LIMIT_ATRN + 1]; /* canonical, with mail, a comma between them; "" none */
};

/*
 * ATRN for list, domains with a comma between them, or "" for all that the login may ask
 * for. ANSWER_YES: t->domains have mail; ANSWER_NONE_WAIT; ANSWER_DENIED: one of them, or
 * all, are not for this login; ANSWER_ERROR: not now, logged. What is too much for
 * t->domains is for the next time.
 */
enum answer demand_turn(const struct demand *d, const char *list, struct demand_turn *t);

/* Hands conn and what was granted to flush. False: logged. client: its address, text. */
bool demand_turned(const struct demand *d, const struct demand_turn *t, const char *client,
                   int conn);

#endif
