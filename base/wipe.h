/* For processes that serve one client after another: the stack keeps nothing. */
#ifndef BASE_WIPE_H
#define BASE_WIPE_H

/* More than any call from the loop over clients has ever needed below it. */
#define WIPE_STACK (48 * 1024)

/* Overwrites what returned calls have left below the caller's frame. */
void wipe_stack(void);

#endif
