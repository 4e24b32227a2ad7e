/* One connection to tls, in a child: the handshake, the facts, the relay. */
#ifndef TLS_SERVE_H
#define TLS_SERVE_H

struct context;

/* Serves asker (base/helper.h, the dialogue with tls). The exit code. */
int serve(int asker, const struct context *c, unsigned handshake_seconds);

#endif
