/* What became of one recipient in one attempt: from a sender, or decided here. */
#ifndef RELAY_OUTCOME_H
#define RELAY_OUTCOME_H

#include <stdbool.h>

#include "base/limits.h"

#define OUTCOME_CODE 16
#define OUTCOME_REPLY (LIMIT_REPLY + 1)

struct outcome {
	char class;                /* '2', '4', '5'; 0: none yet */
	char code[OUTCOME_CODE];   /* RFC 3463, "5.1.1" */
	char reply[OUTCOME_REPLY]; /* printable, UTF-8 */
	bool remote;               /* it is the peer's reply; else our words */
	bool relayed;              /* taken by a peer that knows no DSN, or: */
	bool untimed;              /* no DELIVERBY, which the message wants */
	bool expired;              /* given up after `expire` */
};

#endif
