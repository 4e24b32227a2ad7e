/* The last step of a sender's confinement, taken once the connection is there. */
#ifndef RELAY_SENDER_LOCK_H
#define RELAY_SENDER_LOCK_H

#include <stdbool.h>

/* Nothing can be opened, connected, mapped or started any more. False: with errno. */
bool sender_lock(void);

#endif
