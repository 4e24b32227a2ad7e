/* MAIL and RCPT with the parameters that fit the message and what the peer offers. */
#ifndef RELAY_CLIENT_PARAMS_H
#define RELAY_CLIENT_PARAMS_H

#include "relay/client_send.h"

/* A command line without CRLF. Room for the longest: an ORCPT of LIMIT_ORCPT as xtext. */
#define CLIENT_LINE 4096

/* content is the message as it will go out. */
void client_add_mail(struct text *t, const struct client *c, const struct client_message *m,
                     const struct content *content);
void client_add_rcpt(struct text *t, const struct client *c, const struct client_message *m,
                     const struct client_to *to);

#endif
