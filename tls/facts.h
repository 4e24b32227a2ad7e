/* What is said of a finished handshake: struct tls_facts of base/helper.h. */
#ifndef TLS_FACTS_H
#define TLS_FACTS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/helper.h"
#include "base/packet.h"

/* Fills f from a connection of our server side. */
void facts_read(struct tls_facts *f, SSL *ssl);

/* The same from one of our client side: subject, fingerprint and endpoint are the server's. */
void facts_read_server(struct tls_facts *f, SSL *ssl, bool verified);

/* Makes p the packet TLS_UP. */
void facts_packet(struct packet *p, const struct tls_facts *f);

/* Tickets of ctx remember which certificate the client saw (for `endpoint`). */
bool facts_use_tickets(SSL_CTX *ctx);

/* RFC 5929 4.1 for a certificate, base64; "" where it is not defined. */
void facts_endpoint(char out[96], const X509 *cert);

/* SHA-256 of a certificate, in hexadecimal. */
void facts_fingerprint(char out[65], const X509 *cert);

/*
 * A name in RFC 2253's form. Octets outside printable ASCII are escaped: a client wrote
 * them. Too long: "".
 */
void facts_name(char *out, size_t cap, const X509_NAME *name);

#endif
