/* What commands.c and the files command_*.c share: handlers that its table names. */
#ifndef SESSION_COMMAND_OWN_H
#define SESSION_COMMAND_OWN_H

#include <stdbool.h>

#include "session/session.h"

/* arg: without white space around it. What the row asks for holds. NULL: nobody is left. */
const struct reply *command_helo(struct session *s, const char *arg);
const struct reply *command_ehlo(struct session *s, const char *arg);
const struct reply *command_starttls(struct session *s, const char *arg);
const struct reply *command_mail(struct session *s, const char *arg);
const struct reply *command_rcpt(struct session *s, const char *arg);
const struct reply *command_vrfy(struct session *s, const char *arg);
const struct reply *command_expn(struct session *s, const char *arg);

/* May this client say MAIL's TRANSID (RFC 1845)? */
bool command_may_resume(const struct session *s);

/*
 * HELP for a keyword of EHLO that is no command: its text into t, or false. The second adds
 * the names of all that have one here, each behind a blank.
 */
bool command_help_extension(const struct session *s, const char *name, struct text *t);
void command_help_extensions(const struct session *s, struct text *t);

#endif
