/*
 * Handshakes in memory before the first client: they prove that every certificate and its
 * key work together, and what OpenSSL looks up once is then found by every relay, which
 * inherits it.
 */
#ifndef TLS_WARM_H
#define TLS_WARM_H

#include <stdbool.h>

struct context;

/* False: one failed, which has been logged. */
bool warm_up(const struct context *c);

#endif
