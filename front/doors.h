/*
 * Where tls, auth and flush are reached: at the sockets of their units; else by way of a
 * starter (starter.h), which is forked now, since who is confined can start nothing.
 */
#ifndef FRONT_DOORS_H
#define FRONT_DOORS_H

#include "base/conf.h"
#include "base/helper.h"

struct doors {
	struct helper_door tls, auth, flush;
};

/*
 * Opens what the configuration wants, having closed what was open; what cannot be had is
 * logged, and who asks there is told. c stays in use: a starter reads it again. may_send:
 * flush is wanted even where nobody can log in.
 */
void doors_open(struct doors *d, const struct conf *c, bool may_send);

#endif
