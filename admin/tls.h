/* postern tls: certificates, as the program `tls` reads them and as a server shows them. */
#ifndef ADMIN_TLS_H
#define ADMIN_TLS_H

#include "admin/admin.h"
#include "admin/rows.h"

int tls_show(struct admin *a);
int tls_check(struct admin *a);
int tls_make(struct admin *a);

/* Findings (check.h) on the files of certificates and keys: what tls_check() says first. */
int tls_check_files(const struct admin *a, bool warnings, struct rows *out);

/*
 * Makes DIR/tls.crt and DIR/tls.key for these names, n of them, where they are missing.
 * DONE or told.
 */
int tls_make_files(const char *dir, const char *const *names, unsigned n);

/*
 * A connection to what was typed, HOST[:PORT], on which TLS may begin: STARTTLS has been said, but to port
 * 465, where it begins at once. -1: told.
 */
int tls_connect(const char *typed);

#endif
