/*
 * DELIVERBY (RFC 2852) and MT-PRIORITY (RFC 6710, 6758) towards a next hop. A hop by LMTP is
 * a mailbox's, so who offers nothing there still delivers: no hop is asked more of than that.
 */
#ifndef RELAY_CLIENT_TIMED_H
#define RELAY_CLIENT_TIMED_H

#include "relay/client_send.h"

/* Why this hop can't have a message in mode R; NULL: it can. */
const char *client_timed_object(const struct client *c, const struct client_message *m);

/* Appends " BY=...", " MT-PRIORITY=..." where they are offered. */
void client_timed_add(struct text *t, const struct client *c, const struct client_message *m);

/*
 * Octets of the file that do not travel to this hop. One line less where it is to have the
 * priority as a field of the header, and the file has that line.
 */
uint64_t client_timed_skip(const struct client *c, const struct client_message *m);

/* True when this hop will not watch over the time of the message, so that its sender hears. */
bool client_timed_is_lost(const struct client *c, const struct client_message *m);

#endif
