/*
 * The names of the files in STATE/partial, and how much is there. What the files hold, and
 * how they come and go, is keeper/partial.h; who tidies up and who checks need only this.
 */
#ifndef BASE_PARTIAL_DIR_H
#define BASE_PARTIAL_DIR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"

/* KEY, hexadecimal: 16 digits of who the client is, "-", 32 of the transaction. */
#define PARTIAL_OWNER_KEY 16
#define PARTIAL_KEY (PARTIAL_OWNER_KEY + 1 + 32)
/* With a name's NUL. */
#define PARTIAL_NAME (PARTIAL_KEY + 1 + LIMIT_ID + 3)

enum partial_kind {
	PARTIAL_STRAY,          /* no name of ours */
	PARTIAL_HEAD = 'p',     /* KEY.p */
	PARTIAL_DATA = 'm',     /* KEY.ID.m */
	PARTIAL_ENVELOPE = 'e', /* KEY.ID.e */
	PARTIAL_NEXT = 'n',     /* KEY.ID.n, about to be KEY.p */
};
enum partial_kind partial_kind(const char *name);

/* KEY.p of the transaction to which `name` belongs, which is none of PARTIAL_STRAY. */
void partial_head_name(char head[PARTIAL_NAME], const char *name);

struct partial_sum {
	uint64_t files;    /* transactions, those that are only remembered among them */
	uint64_t messages; /* data files, and their octets */
	uint64_t octets;
};

/*
 * What lies in partial/ (dir, which is not moved), and what of it has `owner`, the first
 * PARTIAL_OWNER_KEY digits of KEY. 0, or -1 with errno.
 */
int partial_count(int dir, const char *owner, struct partial_sum *own, struct partial_sum *all);

#endif
