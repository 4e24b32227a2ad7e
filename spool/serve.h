/*
 * spool's socket, for users who are not STATE's owner: a child for each connection, which
 * knows by SO_PEERCRED who asks (spool/ask.h has the words).
 */
#ifndef SPOOL_SERVE_H
#define SPOOL_SERVE_H

#include "base/packet.h"
#include "spool/order.h"

/* Serves the sockets of a service manager until idle. The exit code. */
int serve_run(const char *file);

/*
 * The fields of a SPOOL_MESSAGE into o, which keeps sender and recipients. False: it is no
 * such packet.
 */
bool serve_take_fields(struct order *o, const struct packet *p);

#endif
