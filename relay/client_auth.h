/* Logging in to a smarthost (RFC 4954): SCRAM-SHA-256, PLAIN, or LOGIN. Only under TLS. */
#ifndef RELAY_CLIENT_AUTH_H
#define RELAY_CLIENT_AUTH_H

#include "relay/client.h"

/*
 * False: c->problem says why, always as temporary: a password that has to be mended is no
 * reason to give mail back. sodium_init() was called.
 */
bool client_login(struct client *c, const char *login, const char *password);

#endif
