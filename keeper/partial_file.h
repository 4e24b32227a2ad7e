/*
 * STATE/partial/KEY.p: what is known of a transaction that may be interrupted (RFC 1845).
 * Text, one `KEY value` a line, values xtext, in a fixed order:
 *
 *	postern-partial 1
 *	mark R 00000000000000265216 00000000000000268010 1795346553
 *	id 6b03029aba16b.1.1
 *	file 6b03029aba16b.1.1
 *	name 1795346561.M123P45R0123456789abcdef.mx.example.org
 *	owner login alice@example.org
 *	helo laptop.example.org
 *	transid <20261122.1@example.org>
 *	size 26214400
 *	recipients 1
 *	end
 *
 * Of it only `mark` changes, in place, by one pwrite(2). It lies in the first 512 octets
 * of the file, so a loss of power leaves the old one or the new one.
 */
#ifndef KEEPER_PARTIAL_FILE_H
#define KEEPER_PARTIAL_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/text.h"

/* "login " or "address ", and whose. */
#define PARTIAL_OWNER (8 + LIMIT_ADDRESS)
/* The longest file, every octet of every value as +XX. */
#define PARTIAL_FILE 4096

enum partial_state {
	PARTIAL_RECEIVING = 'R',
	PARTIAL_COMMITTING = 'C', /* all is here: links may exist already */
	PARTIAL_DONE = 'D',       /* delivered; the client may not know */
};

struct partial_mark {
	enum partial_state state;
	/*
	 * So many octets of the data file are on disk, and so many of the message in its
	 * canonical form they stand for. 0 and 0 while the message's header is not whole.
	 */
	uint64_t octets, canonical;
	uint64_t boot; /* when the host was started, seconds since 1970 */
};

struct partial_file {
	struct partial_mark mark;
	char id[LIMIT_ID + 1];        /* of the message */
	char file[LIMIT_ID + 1];      /* the data file is KEY.file.m */
	char name[LIMIT_NAME + 1];    /* in Maildirs, without the size */
	char owner[PARTIAL_OWNER + 1];
	char helo[LIMIT_DOMAIN + 3];
	char transid[LIMIT_TRANSID + 1];
	uint64_t size;                /* SIZE=, 0 = not said */
	uint64_t recipients;
};

/* Appends f as text; the text is bad when a value may not stand there. */
void partial_file_text(struct text *t, const struct partial_file *f);

/*
 * Reads what partial_file_text() writes out of s, which is changed. False for anything
 * else, and *why (static text) names what is wrong.
 */
bool partial_file_parse(char *s, struct partial_file *f, const char **why);

/* The mark as it stands in the file, and where. */
#define PARTIAL_MARK (1 + 1 + 20 + 1 + 20 + 1 + 10)
#define PARTIAL_MARK_AT (sizeof "postern-partial 1\nmark " - 1)
void partial_mark_text(struct text *t, const struct partial_mark *m);

#endif
