/*
 * Carries octets between a client's TLS connection and the plain end of a session, both
 * non-blocking, until one of them is done. Each direction has one buffer: whoever does
 * not read stops who sends.
 */
#ifndef TLS_RELAY_H
#define TLS_RELAY_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

/* The plaintext of one record (RFC 8446 5.1), and of as many as are moved at once. */
#define RELAY_RECORD 16384
#define RELAY_BUFFER (4 * RELAY_RECORD)

struct relay_way {
	char *buf; /* RELAY_BUFFER octets, whole pages */
	size_t at, len;
	bool ended;   /* its source will send no more */
	bool closed;  /* its target takes no more; what comes is dropped */
};

struct relay {
	SSL *ssl;
	int conn, plain;
	struct relay_way in;  /* from the client to the session */
	struct relay_way out; /* from the session to the client */
	bool want_read, want_write; /* what TLS waits for, after the last call */
	bool said_bye;        /* our close_notify is out */
	bool resting;         /* nothing has moved for a while: memory was given back */
	int64_t deadline;     /* of clock_ms(); 0 = none */
};

/* Runs to the end. Afterwards the connection is shut down both ways. */
void relay_run(struct relay *r);

#endif
