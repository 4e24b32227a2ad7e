/*
 * How many argon2id runs there are at once: each takes 64 MiB and a processor. A slot
 * is a record lock on a descriptor that all processes share, so one whose process is
 * killed is free again.
 */
#ifndef AUTH_SLOTS_H
#define AUTH_SLOTS_H

/* Waits for one of LIMIT_HASHES slots: its number, or -1 when the wait is over. */
int slots_take(int fd);
void slots_give(int fd, int slot);

#endif
