/* What the files demand*.c share: which domains a login may ask for, and their queues. */
#ifndef KEEPER_DEMAND_OWN_H
#define KEEPER_DEMAND_OWN_H

#include "base/conf.h"
#include "keeper/demand.h"

/* Told of each domain that is asked for and may be; false: enough. */
typedef bool demand_tell(void *context, const char *domain);

/* queue: the domain has to be in it; NULL: in any or none. domain: its canonical name. */
bool demand_may_ask(const struct demand *d, const char *domain, const char *queue);

/* Each domain that kind and name stand for. 1: some may be asked for, 0: none, -1: logged. */
int demand_find(const struct demand *d, enum ask_kind kind, const char *name,
                demand_tell *tell, void *context);

/*
 * The same by looking at all of domains/; name is canonical. ASK_DOMAIN: all that the
 * login may ask for.
 */
int demand_find_all(const struct demand *d, enum ask_kind kind, const char *name,
                    demand_tell *tell, void *context);

/* The domain's queue, to be read; -1 with errno, ENOENT: nothing waits. */
int demand_open_queue(const struct demand *d, const char *domain);

/* Is a file of that name in a queue a message that waits? */
bool demand_is_envelope(const char *name);

#endif
