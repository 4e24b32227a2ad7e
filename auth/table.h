/*
 * The file beneath the throttle: fixed size, mapped by every process, locked by
 * fcntl(2) record locks, which a killed process gives back. A file that is none of
 * ours, or damaged in its head, is set aside and made anew.
 */
#ifndef AUTH_TABLE_H
#define AUTH_TABLE_H

#include <stdint.h>

#include "auth/key.h"

#define TABLE_KINDS 3 /* logins, sources, known addresses of logins */
#define TABLE_BUCKETS 512
#define TABLE_WAYS 8
#define TABLE_PAIRS 16

/* Milliseconds of the wall clock. */
struct failures {
	uint64_t id;     /* 0 = empty */
	int64_t since;   /* counted, or forgiven, up to here */
	int64_t free_at; /* when the next attempt may start */
	uint32_t count;
	uint32_t unused;
};

/* A login that has succeeded from a source. */
struct pair {
	uint64_t id;     /* 0 = empty */
	uint32_t login;  /* part of its hash */
	uint32_t last;   /* seconds */
};

struct table {
	struct {
		char magic[16];
		uint64_t size;
		unsigned char key[16]; /* of the hashes; another server key, another table */
	} head;
	struct failures failures[TABLE_KINDS][TABLE_BUCKETS][TABLE_WAYS];
	struct pair pairs[TABLE_BUCKETS][TABLE_PAIRS];
};

/* Maps the file in the directory auth/ (-1: memory). NULL with errno only without memory. */
struct table *table_map(int auth, const unsigned char key[KEY_SIZE]);

int table_fd(void);

/* Around each use. Waits two seconds at most: a stopped process stops nobody else. */
void table_lock(void);
void table_unlock(void);

#endif
