/*
 * Starts the helpers where no socket unit does (tcpserver, xinetd, a tree of an ordinary
 * user): a process that is forked before anything is confined, and that executes the
 * programs of a fixed list, nothing else. A helper's feed (base/helper.h) that has
 * something in it is the word to start the helper; where that fails, what is waiting
 * there is closed unread.
 */
#ifndef FRONT_STARTER_H
#define FRONT_STARTER_H

#include "front/users.h"

#define STARTER_HELPERS 3

struct starter_helper {
	const char *name;   /* of the program, which lies beside our own */
	/*
	 * In the process that will execute it: who to become, found anew each time. Dies
	 * where it must not be started.
	 */
	void (*find_user)(struct user *u);
	int feed;           /* out: the end for who asks; -1 = not wanted, left alone */
};

/*
 * Forks it. The helpers run while somebody holds a copy of their feed, then they end,
 * and so does the starter. 0, or -1 with errno.
 */
int starter_start(struct starter_helper helpers[STARTER_HELPERS], const char *conf_file);

#endif
