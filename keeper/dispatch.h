/* The envelopes of a message's queues, made from what the recipients have led to. */
#ifndef KEEPER_DISPATCH_H
#define KEEPER_DISPATCH_H

#include <stdbool.h>

#include "base/helper.h"
#include "keeper/deliver.h"

/*
 * Makes d->envelope that of queue i of the destinations: its id, its sender (rewritten when
 * a domain of ours sends it on), its recipients. False: see errno.
 */
bool dispatch_fill(struct delivery *d, unsigned i);

/* Tells flush of each domain that has something new. */
void dispatch_notify(const struct delivery *d, const struct helper_door *flush);

#endif
