/*
 * Keys of session tickets (RFC 5077, RFC 8446 4.6.1). The parent makes and rotates them,
 * a relay gets them with its job: so a session is resumed by another process than the
 * one that began it. They are in memory only; a restart ends all tickets.
 */
#ifndef TLS_TICKET_H
#define TLS_TICKET_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/packet.h"

/*
 * New tickets get a new key every six hours. A ticket lives as long, so the key before the
 * newest is needed, and no other.
 */
#define TICKET_SECONDS (6 * 3600)

/* The parent, before each job: makes another key when it is time (clock_ms()). False: no randomness. */
bool ticket_rotate(int64_t now);

/* The parent: adds the keys to a relay's job, TICKET_FIELDS fields. */
#define TICKET_FIELDS 2
void ticket_add(struct packet *job);

/* A relay: takes them from there. False: they are none. */
bool ticket_take(const char *const field[TICKET_FIELDS]);

/* A relay after its handshake, and its ancestor: what it does not know it can't give away. */
void ticket_forget(void);

/* Tickets of ctx are made and opened with these keys. */
bool ticket_use(SSL_CTX *ctx);

#endif
