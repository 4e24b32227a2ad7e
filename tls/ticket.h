/*
 * Keys of session tickets (RFC 5077, RFC 8446 4.6.1). The parent makes and rotates them,
 * a relay inherits them by its fork: so a session is resumed by another process than the
 * one that began it. They are in memory only; a restart ends all tickets.
 */
#ifndef TLS_TICKET_H
#define TLS_TICKET_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * New tickets get a new key every six hours. A ticket lives as long, so the key before the
 * newest is needed, and no other.
 */
#define TICKET_SECONDS (6 * 3600)

/* The parent: now, in milliseconds of clock_ms(), it is time for another key. */
bool ticket_is_due(int64_t now);

/* Makes it, if it is. False: no randomness. */
bool ticket_rotate(int64_t now);

/* A relay, after its last handshake: what it does not know it can't give away. */
void ticket_forget(void);

/* Tickets of ctx are made and opened with these keys. */
bool ticket_use(SSL_CTX *ctx);

#endif
