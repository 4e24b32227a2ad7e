/* SCRAM-SHA-256 (RFC 5802, 7677), the client's side. No channel binding. */
#ifndef RELAY_CLIENT_SCRAM_H
#define RELAY_CLIENT_SCRAM_H

#include <stdbool.h>

#include "base/limits.h"
#include "base/text.h"

#define CLIENT_SCRAM_NONCE 24
#define CLIENT_SCRAM_DIGEST 32

struct client_scram {
	const char *login, *password;  /* printable ASCII: SASLprep leaves that alone */
	char nonce[CLIENT_SCRAM_NONCE + 1];
	unsigned char server[CLIENT_SCRAM_DIGEST]; /* signature that the server has to show */
};

/* Fills nonce with random printable octets. sodium_init() was called. */
void client_scram_nonce(struct client_scram *s);

/* client-first-message. */
void client_scram_first(const struct client_scram *s, struct text *out);

/*
 * client-final-message, after server-first-message. False: that is none, its nonce is not
 * ours, or its iterations are outside of LIMIT_SCRAM_LOW and LIMIT_SCRAM_HIGH.
 */
bool client_scram_final(struct client_scram *s, const char *server_first, struct text *out);

/* server-final-message: false where the server does not know the password either. */
bool client_scram_verify(const struct client_scram *s, const char *server_final);

#endif
