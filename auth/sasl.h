/*
 * The SASL mechanisms: each is a conversation over an attempt that ends in an outcome.
 * With OUTCOME_YES the login has proved itself, and everything that the attempt counts
 * (throttle.h) has been counted.
 */
#ifndef AUTH_SASL_H
#define AUTH_SASL_H

#include "auth/attempt.h"

/* Runs the mechanism of this bit (base/mechanism.h). */
enum outcome sasl_run(struct attempt *a, unsigned mechanism);

/* The parts of a PLAIN message, pointing into it. */
struct plain {
	const char *authorize, *user, *password;
};

/* RFC 4616 2; each part at most 255 octets, user and password not empty. */
bool plain_read(struct plain *p, const struct message *m);

/* The mechanisms with a file of their own; sasl.c has the others. */
enum outcome mech_scram(struct attempt *a, bool plus);
enum outcome mech_cram_md5(struct attempt *a);
enum outcome mech_digest_md5(struct attempt *a);

#endif
