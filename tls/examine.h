/* What an administrator asks of tls: the certificates that are configured, and whether
 * they are any good. Both print (out.h). */
#ifndef TLS_EXAMINE_H
#define TLS_EXAMINE_H

#include "base/conf.h"

/* A record for each certificate: name, file, key_file, and what chain_print() says. */
void examine_show(const struct conf_tls *t);

/* A record for each finding. Reads the private keys. */
void examine_check(const struct conf *c, const struct conf_tls *t);

/*
 * The record of what a server serves on the connection fd, asked for a name by a client
 * that takes only ECDSA or only RSA: version, cipher, and what chain_print() says; or a
 * record with `error`.
 */
void examine_served(int fd, const char *name, const char *kind);

#endif
