/*
 * The arguments of MAIL and RCPT (RFC 5321 4.1.2): Path, then parameters (parameter.h);
 * and of VRFY and EXPN. Pure.
 */
#ifndef SESSION_PATH_H
#define SESSION_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "session/parameter.h"

struct reply;

/*
 * "FROM:<path> parameters". NULL when read; otherwise the reply that says what is
 * wrong. A source route is skipped (RFC 5321 4.1.1.3, appendix F.2), white space
 * after the colon is borne, "<>" gives an empty address.
 */
const struct reply *path_read_mail(const char *arg, struct address *a,
                                   struct mail_parameters *params);

/* "TO:<path> parameters"; "<postmaster>" without a domain is allowed (RFC 5321 4.1.1.3). */
const struct reply *path_read_rcpt(const char *arg, bool smtputf8, struct address *a,
                                   struct rcpt_parameters *params);

/*
 * What VRFY and EXPN take (RFC 5321 3.5.1): user@domain or a local-part alone, in
 * angle brackets or not, and SMTPUTF8 behind it (RFC 6531 3.7.4.2).
 */
bool path_read_name(const char *arg, struct address *a);

#endif
