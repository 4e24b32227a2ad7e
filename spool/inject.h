/*
 * Takes one message in: mailboxes of this host get it at once, queues of other hosts'
 * domains a link and an envelope, by the keeper's own transaction and in its order. All
 * recipients, or none.
 */
#ifndef SPOOL_INJECT_H
#define SPOOL_INJECT_H

#include <stdint.h>
#include <sys/types.h>

#include "base/conf.h"
#include "base/helper.h"
#include "spool/order.h"
#include "spool/verdict.h"

struct inject {
	const struct conf *conf;
	int state, domains;       /* held directories: STATE, CONF/domains */
	uid_t uid;                /* who hands it in */
	struct helper_door flush; /* to be told of what is queued */
};

/*
 * The message is what can be read from fd, from its start when it has one; see lines.h.
 * Whatever the verdict, when it is not SPOOL_DONE nothing of the message stays.
 */
void inject(const struct inject *in, int fd, const struct order *o, struct verdict *v);

/*
 * Before the first foreign octet is read: no new privileges, Landlock as the keeper has it.
 * 0, or -1 with errno.
 */
int inject_confine(const struct inject *in);

#endif
