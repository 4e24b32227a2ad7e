/*
 * The account an attempt is about, and whether what the client showed proves it. An
 * unknown login is answered as a known one with a wrong password is, in the same time.
 */
#ifndef AUTH_ACCOUNT_H
#define AUTH_ACCOUNT_H

#include "auth/attempt.h"

/*
 * Fills a->login, a->found and a->v for what the client typed; values that nothing can
 * prove stand where there are none. YES, or LATER (logged).
 */
enum outcome account_find(struct attempt *a, const char *typed);

/*
 * Before anything is checked: counts the attempt and waits as long as it has to. YES, or
 * LATER: too many wait already.
 */
enum outcome account_admit(struct attempt *a);

/* After it: YES, or NO with the reason. */
enum outcome account_settle(struct attempt *a, bool proved, const char *reason);

/* Whether an authorization id may stand beside the login: empty, or the same one. */
bool account_may_act_as(const struct attempt *a, const char *id);

/*
 * All of it for a login and a password: YES, NO or LATER. With a foreign program it is
 * the program's answer.
 */
enum outcome account_password(struct attempt *a, const char *typed, const char *password,
                              const char *authorize);

/* The same for a CRAM-MD5 challenge and response (hexadecimal). */
enum outcome account_response(struct attempt *a, const char *typed, const char *challenge,
                              const char *response);

/*
 * After the answer: brings the verifiers up to today's, where the password was proved
 * and they are weaker. A failure is logged and nothing more.
 */
void account_upgrade(struct attempt *a);

#endif
