/* The entrance whose connection is fd 0 and 1: its client, and the session forked for it. */
#ifndef FRONT_INETD_H
#define FRONT_INETD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/ip.h"

/* The client's address: of the socket, or as the program before us says; or unknown. */
void inetd_find_client(struct ip *client);

/*
 * Waits until the boundary has a packet, which stays there, or for so long; false when
 * the session just ended.
 */
bool inetd_has_question(int boundary, int ms);

/*
 * Sees the session out: its connection on fd 1 is cut when it has not gone after ms, and
 * then it has as long again. waitpid()'s status; false: it does not end, logged.
 */
bool inetd_reap(pid_t session, int ms, int *status);

#endif
