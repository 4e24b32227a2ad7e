/*
 * A *runner*: the process that owns queues while they are run. It asks the router for
 * the next hop, has senders speak with it, writes down each outcome as it is known,
 * reports to senders of mail, and says when to come again. It reads no octet of the
 * network: only packets, and files of STATE.
 */
#ifndef RELAY_RUNNER_H
#define RELAY_RUNNER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/conf.h"
#include "base/helper.h"

struct runner_setup {
	const struct conf *conf;
	int state, spool, domains; /* held directories: STATE, STATE/spool, domains/ */
	int sts;                   /* STATE/sts, or -1 */
	int control;               /* to the dispatcher (control.h) */
	struct helper_door router; /* relay/router.h */
	struct helper_door tls;    /* base/helper.h; none: mail goes in clear */
	uid_t uid;                 /* STATE's owner, who the runner becomes; 0: stays */
	gid_t gid;
	bool lock;                 /* Landlock; false only for tests in one process */
};

/*
 * Serves the dispatcher until it closes control. SIGTERM: nothing new is begun, what is
 * being sent is sent. Returns the exit code.
 */
int runner_work(const struct runner_setup *setup);

#endif
