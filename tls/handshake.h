/* The handshake, of either side, on a non-blocking descriptor, under a deadline. */
#ifndef TLS_HANDSHAKE_H
#define TLS_HANDSHAKE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

struct handshake {
	SSL *ssl;
	int conn;         /* the other side's connection, non-blocking */
	int asker;        /* who waits for the facts; its end is ours */
	int64_t deadline; /* of clock_ms() */
	/* Why it failed: a few words, "" where nobody is to be told. */
	char reason[160];
	char alert[80];   /* the alert sent or received: "sent handshake failure" */
};

/* True when the connection is up; false with h->reason. */
bool handshake_run(struct handshake *h);

#endif
