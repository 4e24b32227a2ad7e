/* What became of a recipient, or of a hop, in the words of base/sending.h. */
#ifndef RELAY_CLIENT_VERDICT_H
#define RELAY_CLIENT_VERDICT_H

#include "relay/client_reply.h"

struct client_verdict {
	char class;                      /* '2', '4' or '5' */
	bool remote;                     /* the peer said so */
	char enhanced[CLIENT_ENHANCED];
	char text[LIMIT_REPLY + 1];
};

/* The peer's reply; one of a class that is no answer here (2xx, 3xx) becomes 4.5.0. */
void client_verdict_reply(struct client_verdict *v, const struct client_reply *r,
                          bool may_be_good);

/* Ours: the enhanced code's first digit is the class. Text is cut where it is too long. */
void client_verdict_local(struct client_verdict *v, const char *enhanced, const char *text,
                          const char *more);

/* Trouble on the connection at some step: "connection closed at RCPT". */
void client_verdict_trouble(struct client_verdict *v, enum client_trouble trouble,
                            const char *step);

#endif
