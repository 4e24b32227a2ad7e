/*
 * The arguments of MAIL and RCPT: Path and ESMTP parameters (RFC 5321 4.1.2). Pure.
 */
#ifndef SESSION_PATH_H
#define SESSION_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"

struct reply;

struct mail_parameters {
	uint64_t size;    /* SIZE=, RFC 1870; 0 = not said */
	bool smtputf8;    /* RFC 6531 */
	bool eight_bit;   /* BODY=8BITMIME, RFC 6152 */
	bool binary;      /* BODY=BINARYMIME, RFC 3030 */
	char auth[3 * LIMIT_ADDRESS + 1]; /* AUTH=, xtext (RFC 4954 5); "" = not said */
};

/*
 * "FROM:<path> parameters". NULL when read; otherwise the reply that says what is
 * wrong. A source route is skipped (RFC 5321 4.1.1.3, appendix F.2), white space
 * after the colon is borne, "<>" gives an empty address.
 */
const struct reply *path_read_mail(const char *arg, struct address *a,
                                   struct mail_parameters *params);

/* "TO:<path>"; "<postmaster>" without a domain is allowed (RFC 5321 4.1.1.3). */
const struct reply *path_read_rcpt(const char *arg, bool smtputf8, struct address *a);

/*
 * What VRFY and EXPN take (RFC 5321 3.5.1): user@domain or a local-part alone, in
 * angle brackets or not, and SMTPUTF8 behind it (RFC 6531 3.7.4.2).
 */
bool path_read_name(const char *arg, struct address *a);

#endif
