/* Certificates that nobody has signed but their own key, for trying out. */
#ifndef TLS_MAKE_H
#define TLS_MAKE_H

/*
 * Writes a new ECDSA P-256 key (mode 0600) and a certificate for it with the n names; no
 * file that is there is touched. 0; or -1, and *why is what could not be done.
 */
int make_certificate(const char *cert, const char *key, char *const *names, int n,
                     const char **why);

#endif
