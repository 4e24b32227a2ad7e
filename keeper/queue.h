/*
 * The queue's entrance: a message for another host is linked to STATE/spool/DOMAIN/ID.m,
 * and its envelope (base/envelope.h) put beside it. The envelope's name is the commit: flush
 * sees nothing before it is there.
 */
#ifndef KEEPER_QUEUE_H
#define KEEPER_QUEUE_H

#include <stdbool.h>

#include "base/envelope.h"
#include "keeper/message.h"

/* "spool/", and what name_queue() makes. */
#define QUEUE_PATH (sizeof "spool/" + LIMIT_NAME + 1)

/*
 * Links the message (synced) to spool/DOMAIN/e->id.m, writes and syncs the envelope in
 * `tmp`, and gives it its name. path is "spool/DOMAIN", made when missing. On success *dir
 * is that directory, open; what is left is its sync, by the caller. -1 with errno: nothing
 * of it stays. again: what is there already was put there for this very message.
 */
int queue_put(int state, int tmp, const char *path, const struct message *m,
              const struct envelope *e, bool again, int *dir);

/* Takes an entry back whose commit was not acknowledged. */
void queue_take_back(int dir, const char *id);

#endif
