/* Processes that work for who started them, and that it need not wait for. */
#ifndef RELAY_AWAY_H
#define RELAY_AWAY_H

#include <sys/types.h>

/*
 * As fork(2), but the new process is no child of the caller's. Signals that end a program
 * are ignored in it: it ends with the descriptors it works for. -1 with errno.
 */
pid_t away_fork(const char *name);

#endif
