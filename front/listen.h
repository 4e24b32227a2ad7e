/* The sockets the front listens on: handed over, or opened by -L. */
#ifndef FRONT_LISTEN_H
#define FRONT_LISTEN_H

#include "front/front.h"

/*
 * Sockets of sd_listen_fds(3): LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES; the name says
 * the service (systemd.socket(5), FileDescriptorName=), which is 0 where nothing was
 * said. The number taken; 0 when there are none for us; -1 with *why.
 */
int listen_take(struct listeners *l, const char **why);

/*
 * "192.0.2.1:25", "[2001:db8::1]:25", "*:25" (both families), or "/path" of a unix
 * socket. 0, or -1 with *why and errno (0 where the text is wrong).
 */
int listen_open(struct listeners *l, const char *where, enum service service,
                const char **why);

/* Puts the sockets and their names where listen_take() of the next program looks. */
void listen_hand_over(const struct listeners *l);

#endif
