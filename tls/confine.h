/* What the processes of tls give up: system calls, files, capabilities, core dumps. */
#ifndef TLS_CONFINE_H
#define TLS_CONFINE_H

#include <stdbool.h>

#include "base/spawn.h"

/* Before anything is forked: no core of this process or any of its children. */
void confine_start(void);

/*
 * The ancestor of the relays, which inherit it, but for the filter: that is put into *s, for
 * ancestor_run(). False with errno.
 */
bool confine_relays(struct spawn *s);

/* A relay without an ancestor; every descriptor from `first` on is closed. False with errno. */
bool confine_relay(int first);

/* The key holder, once the keys are read; the same. */
bool confine_holder(int first);

#endif
