/* The commands of RFC 5321, 2033 and 3030: one row each. */
#ifndef SESSION_COMMANDS_H
#define SESSION_COMMANDS_H

#include "session/session.h"

/*
 * Runs one command line (without CRLF). Returns the reply to send, or NULL where
 * there is nobody left to send it to.
 */
const struct reply *command_run(struct session *s, char *line);

#endif
