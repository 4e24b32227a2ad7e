/* A session that a keeper serves, at either entrance: what the log and its client hear. */
#ifndef FRONT_SERVED_H
#define FRONT_SERVED_H

#include <stdbool.h>
#include <time.h>

#include "base/ip.h"

/* Every line of this process names the session and its client from now on. */
void served_start(const char *session_id, const struct ip *client);

/* The line of its end; start: of time(). The names stay. */
void served_end(time_t start);

/*
 * Tells a waiting client that it may come again (RFC 5321 3.8); fd: a socket, or another
 * way to it. True: it was told.
 */
bool served_say_421(int fd);

#endif
