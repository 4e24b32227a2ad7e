/* What the files queue*.c share. */
#ifndef RELAY_QUEUE_OWN_H
#define RELAY_QUEUE_OWN_H

#include "relay/queue.h"

/* The other file of the same message: "ID.m" or "ID.e", name being one of them. */
void queue_pair(char out[LIMIT_ID + 3], const char *name, char letter);

/* Moves a file into `bad`, logs it and says why; q->foreign is told where that was done. */
void queue_set_aside(struct queue *q, const char *name, const char *why);

/* Closes *fd, which may be -1, and makes it that. */
void queue_close_fd(int *fd);

#endif
