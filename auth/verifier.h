/*
 * The verifier file auth/DOMAIN/LOCAL (postern-state(5)): what proves a password
 * without holding it. Text, one `KEY value` a line.
 */
#ifndef AUTH_VERIFIER_H
#define AUTH_VERIFIER_H

#include <stdbool.h>

#include "base/text.h"

/* Octets of a whole file, the NUL included. */
#define VERIFIER_MAX 1024

/*
 * Appends the lines for a prepared password: argon2id, scram-sha-256, changed.
 * False, with errno, where memory or randomness is missing.
 */
bool verifier_text(struct text *t, const char *password);

/* What is wrong with a file's content, or NULL. */
const char *verifier_problem(const char *content);

#endif
