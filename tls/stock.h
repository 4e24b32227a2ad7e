/*
 * The relays as the parent counts them. One ancestor forks those of now; earlier ones,
 * which know what has been replaced since, are left to their end.
 */
#ifndef TLS_STOCK_H
#define TLS_STOCK_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * A new ancestor with what the parent has now; those that wait from before end, and those
 * that are busy when they are done. uses: connections of one relay. False: logged, and all
 * is as it was.
 */
bool stock_renew(uint64_t uses);

/*
 * Gives a connection to a relay that waits, with its channel to the key holder, -1 none.
 * Both are the stock's in any case.
 */
void stock_give(int asker, int channel);

/* For base/helper.h. */
unsigned stock_busy(void);
unsigned stock_watch(struct pollfd *p);

enum stock_word {
	STOCK_NOTHING,
	STOCK_GONE, /* the ancestor has died */
	STOCK_OLD,  /* another one is to take over */
	STOCK_BACK, /* a relay could not serve a connection, which needs a client's contexts */
};

/* Hears what there is; *asker is what came back. To be called until it says nothing. */
enum stock_word stock_hear(int *asker);

#endif
