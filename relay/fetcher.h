/* Starts sts, who fetches MTA-STS policies, when the first one is wanted. */
#ifndef RELAY_FETCHER_H
#define RELAY_FETCHER_H

#include "relay/router.h"

/*
 * Forks a process that executes sts as soon as its feed has something in it, and ends when
 * nobody holds the feed. Returns the feed, close-on-exec; -1: logged, MTA-STS is off.
 */
int fetcher_start(const struct router_setup *setup);

#endif
