/*
 * The client's connection: buffered both ways, every wait with a deadline. Output
 * is held back until the next wait for input, so that the replies to pipelined
 * commands leave together (RFC 2920 3.2) and no handler ever flushes.
 */
#ifndef SESSION_IO_H
#define SESSION_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

enum io_result {
	IO_OK,
	IO_EOF,     /* the client is gone, in or out */
	IO_TIMEOUT, /* nothing for the time given */
	IO_CAP,     /* the session as a whole took too long */
};

struct io {
	int in, out;
	int64_t cap; /* clock_ms() at which the session must end */
	size_t at;   /* unread input is input[at..end) */
	size_t end;
	size_t high; /* most octets the input buffer has ever held */
	size_t held; /* octets of output */
	bool gone;   /* writing failed: nothing more is sent */
	char output[LIMIT_WRITE];
	char input[LIMIT_READ];
};

void io_init(struct io *io, int in, int out, int64_t cap);

/* Waits for more input, at most seconds; call with all input used or room left. */
enum io_result io_fill(struct io *io, uint64_t seconds);

/* The same, but reads no more than max octets. */
enum io_result io_fill_some(struct io *io, uint64_t seconds, size_t max);

enum io_line {
	LINE_OK,
	LINE_BARE, /* a CR or LF that is not CRLF; the octets up to the LF are used */
	LINE_LONG, /* over LIMIT_COMMAND; read up to its end */
	LINE_ENDLESS, /* no end within LIMIT_COMMAND_DRAIN: time to close */
	LINE_NUL,  /* holds a NUL */
	LINE_NONE, /* no line: see result */
};

/* Reads one command line; *line is without CRLF, NUL-ended, valid until the next call. */
enum io_line io_getline(struct io *io, uint64_t seconds, char **line,
                        enum io_result *result);

/* True when the client has sent something that is not read yet. */
bool io_is_waiting(struct io *io);

/* Holds output back; sends when the buffer is full. */
void io_put(struct io *io, const char *s, size_t len);
void io_flush(struct io *io);

/* Sends, says that no more will come, and reads on briefly so that the client
 * gets our last reply instead of a reset (RFC 9293 3.6.1). */
void io_linger(struct io *io);

/* Forgets the lines that have been used: they held a secret. */
void io_forget(struct io *io);

/* Forgets what the client sent and was sent. */
void io_wipe(struct io *io);

#endif
