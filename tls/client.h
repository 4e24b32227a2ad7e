/*
 * TLS as a client: a connection to a server, made for TLS_CONNECT of base/helper.h. Who has
 * to be at the other end is for the asker to say: nobody in particular, the bearer of a name
 * (RFC 6125), or who TLSA records name (RFC 7672).
 */
#ifndef TLS_CLIENT_H
#define TLS_CLIENT_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/conf.h"
#include "base/helper.h"
#include "base/packet.h"

/*
 * In the parent, at its start and again after a reload: where certificates come from. What
 * was ready before is so again.
 */
bool client_start(const struct conf *c);

/*
 * In the parent: the contexts for relays to come. Only a host that connects somewhere pays
 * for the authorities' certificates.
 */
void client_prepare(void);

/* In a relay: they are there. */
bool client_is_ready(void);

/* True: a packet with the form of TLS_CONNECT. */
bool is_client_request(const struct packet *p);

/*
 * In a relay: the handshake to be, without its descriptor. p must stay. NULL: logged, and
 * *why says it in a few words.
 */
SSL *client_new(const struct packet *p, const char **why);

/* After the handshake: does what was asked for hold? Always, but for "none" and "try". */
bool client_verified(SSL *ssl, const struct packet *p);

#endif
