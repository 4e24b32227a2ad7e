/*
 * Changes to a mailbox's verifier file, made as the owner of auth/ and under the lock of
 * its domain, so that a log-in which brings a verifier up to date undoes none of them.
 */
#ifndef ADMIN_CREDENTIAL_H
#define ADMIN_CREDENTIAL_H

#include "admin/admin.h"
#include "admin/box.h"
#include "admin/rows.h"

/* Beyond the exit codes: there is no such file. */
#define CREDENTIAL_NONE 3

/*
 * Verifiers for a prepared password: argon2id and scram-sha-256, and those of --cram-md5
 * and --digest-md5 or that were there already. Certificates and `disabled` stay, unless
 * fresh: then whatever is there was left by a crash. DONE or told.
 */
int credential_set(const struct admin *a, const struct box *b, const char *password,
                   bool fresh);

/* DONE: removed; CREDENTIAL_NONE: there was none; else told. */
int credential_remove(const struct admin *a, const struct box *b);

/* DONE, CREDENTIAL_NONE, or told. A second time changes nothing. */
int credential_disable(const struct admin *a, const struct box *b, bool disabled);

/* Adds a client certificate, or takes it away. fingerprint: 64 lower-case digits. */
int credential_certificate(const struct admin *a, const struct box *b,
                           const char *fingerprint, bool away);

/* The certificates of a login, one a row of one column. DONE or told. */
int credential_list(const struct admin *a, const struct box *b, struct rows *out);

/* Refuses --cram-md5 and --digest-md5 where `mechanisms` does not name them. */
int credential_check_options(const struct admin *a);

#endif
