/*
 * The connection to a next hop: buffered both ways, every wait under one deadline that
 * the caller has set, so that a peer that dribbles gains nothing. Trouble is remembered:
 * after the first nothing more is sent or read.
 */
#ifndef RELAY_CLIENT_IO_H
#define RELAY_CLIENT_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

enum client_trouble {
	CLIENT_FINE,
	CLIENT_CLOSED,    /* the peer has closed, or the connection broke */
	CLIENT_LATE,      /* the deadline has passed */
	CLIENT_BABBLE,    /* what came is no reply */
	CLIENT_ABANDONED, /* the runner is gone: nobody would know what becomes of a message */
};

struct client_io {
	int fd;
	int watch;               /* the runner's end: its hang-up is CLIENT_ABANDONED */
	enum client_trouble trouble;
	int64_t patience;        /* milliseconds, from the first wait on */
	int64_t deadline;        /* clock_ms(); 0: nobody has had to wait yet */
	size_t at, end;          /* unread input is input[at..end) */
	size_t held;             /* octets of output */
	char input[4 * LIMIT_REPLY_LINE];
	char output[LIMIT_CHUNK];
};

void client_io_init(struct client_io *io, int fd, int watch);

/* What follows has to be done within so many seconds, counted from its first wait. */
void client_deadline(struct client_io *io, uint64_t seconds);

/* Holds output back until the buffer is full, or the flush. */
void client_put(struct client_io *io, const char *s, size_t len);
void client_puts(struct client_io *io, const char *s);

/* Sends what is held. Meanwhile input is taken in, as far as there is room. */
bool client_flush(struct client_io *io);

/*
 * The next line without its end (CRLF, or LF alone), valid until the next call. False:
 * there is trouble; a line over LIMIT_REPLY_LINE is CLIENT_BABBLE.
 */
bool client_getline(struct client_io *io, const char **line, size_t *len);

/* True when octets have come that nobody asked for. Does not wait. */
bool client_has_input(struct client_io *io);

/* True when the runner has gone away. Does not wait. */
bool client_is_abandoned(struct client_io *io);

/* Forgets what was said and heard: it held a password. */
void client_io_wipe(struct client_io *io);

#endif
