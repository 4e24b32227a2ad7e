/* What a runner tells of a message (base/sending.h), checked field by field. */
#ifndef RELAY_SENDER_MESSAGE_H
#define RELAY_SENDER_MESSAGE_H

#include "base/packet.h"
#include "relay/client_send.h"

/* True when a packet is not this one; what came with it is closed. */
bool is_packet_other(struct packet *p, char letter, unsigned fields, bool may_bring_fd);

/* SEND_MESSAGE. False: malformed. m->fd is the caller's to close unless it is -1. */
bool sender_read_message(struct packet *p, struct client_message *m);

/* SEND_TIMED, as above. */
bool sender_read_timed(struct packet *p, struct client_message *m);

/* SEND_RECIPIENT, as above. */
bool sender_read_recipient(struct packet *p, struct client_message *m, struct client_to *to);

#endif
