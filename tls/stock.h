/*
 * The relays as the parent counts them: some wait, some are busy. One ancestor forks those
 * of now; earlier ones, which know what has been replaced since, are left to their end.
 */
#ifndef TLS_STOCK_H
#define TLS_STOCK_H

#include <poll.h>
#include <stdbool.h>

/*
 * A new ancestor with what the parent has now; those that wait from before end, and those
 * that are busy when they are done. False: logged, and all is as it was.
 */
bool stock_renew(void);

/*
 * Gives a connection to a relay that waits, with its channel to the key holder, -1 none.
 * Both are closed here in any case.
 */
void stock_give(int asker, int channel);

/* For base/helper.h. */
unsigned stock_busy(void);
unsigned stock_watch(struct pollfd *p);

enum stock_word {
	STOCK_NOTHING,
	STOCK_GONE, /* the ancestor has died */
	STOCK_BACK, /* a relay has given a connection back, which needs a client's contexts */
};

/* Hears what there is; *asker is what came back. To be called until it says nothing. */
enum stock_word stock_hear(int *asker);

#endif
