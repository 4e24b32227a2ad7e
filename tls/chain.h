/* Certificate files: a server's own certificate first, then those that issued it. */
#ifndef TLS_CHAIN_H
#define TLS_CHAIN_H

#include <openssl/x509.h>

/* Certificates in one file. */
#define CHAIN_MAX 10

/*
 * All certificates of a PEM file, at least one; NULL, and *why says what is wrong. Free
 * with sk_X509_pop_free(chain, X509_free).
 */
STACK_OF(X509) *chain_read(const char *file, const char **why);

/* Prints the record of a chain (out.h), but not its end. */
void chain_print(STACK_OF(X509) *chain);

/* Whole days until a certificate ends; negative when it has. */
int chain_days_left(const X509 *cert);

#endif
