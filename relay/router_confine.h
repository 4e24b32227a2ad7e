/* What the router gives up before it reads the network's first octet. */
#ifndef RELAY_ROUTER_CONFINE_H
#define RELAY_ROUTER_CONFINE_H

#include <stdbool.h>

#include "base/conf.h"

/*
 * No file, no program, no signal to others; sockets for DNS, and those that it has. False
 * with errno.
 */
bool router_confine(const struct conf *c);

#endif
