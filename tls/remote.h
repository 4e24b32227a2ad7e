/*
 * Private keys that are elsewhere: an EVP_PKEY with the public half of a certificate
 * whose signatures come from the key holder, over a channel of this process.
 */
#ifndef TLS_REMOTE_H
#define TLS_REMOTE_H

#include <openssl/x509.h>

/*
 * A key for the certificate that asks for signatures by key number `number`. NULL: the
 * certificate's key is of a kind that can't be held apart (Ed25519), or no memory.
 */
EVP_PKEY *remote_key(X509 *cert, unsigned number);

/*
 * Where this process asks from now on: its end of a pair whose other end the holder has,
 * -1 nowhere. The holder answers one request on a channel and closes it.
 */
void remote_use(int fd);

#endif
