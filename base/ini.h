/*
 * INI files by libinih: a table has one row for each key, the row says where the value
 * goes, what it may be, and what to tell the administrator when it is not. The files'
 * own tables are in conf.c.
 */
#ifndef BASE_INI_H
#define BASE_INI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

/* Told of each error as "FILE:LINE: what is wrong, expected what". */
typedef void ini_report(void *context, const char *message);

/* What a file says for a key. */
struct ini_value {
	const char *section;
	const char *text;
	char *base; /* struct ini_file's */
};

struct ini_key {
	/* "NAME *" stands for every section whose first word is NAME. */
	const char *section;
	const char *name;
	bool (*parse)(const struct ini_key *k, const struct ini_value *v);
	size_t offset;       /* of the target, from base */
	uint64_t min, max;
	const char *expected;
};

/* As the max of a row whose parser needs none: the key may be given more than once. */
#define INI_REPEATS UINT64_MAX

struct ini_file {
	int fd;
	const char *name;          /* for messages */
	const struct ini_key *keys; /* at most 128, the last without a name */
	char *base;                /* the struct the rows' offsets count from */
	ini_report *report;
	void *context;
	unsigned errors;           /* reported so far */
	/* The reader's own. */
	uint64_t seen[2];          /* one bit for each row */
	unsigned line;
	bool section_told;         /* this section is unknown, and that has been said */
	char section[LIMIT_SECTION + 1]; /* the present one, where libinih would cut its name */
	size_t len, at;            /* of buf */
	char buf[4096];
};

/* Reads f->fd to its end; every error is reported and counted. */
void ini_read(struct ini_file *f);

/* Reports one error of the file as a whole; name and expected may be NULL. */
void ini_error(struct ini_file *f, const char *what, const char *name,
               const char *expected);

/* Parsers for rows. Numbers go to a uint64_t and must be from min to max. */
bool ini_uint(const struct ini_key *k, const struct ini_value *v);
bool ini_octets(const struct ini_key *k, const struct ini_value *v);  /* 25M */
bool ini_seconds(const struct ini_key *k, const struct ini_value *v); /* 5m */
/* yes or no, to a bool. */
bool ini_bool(const struct ini_key *k, const struct ini_value *v);
/* Text that is not empty; max is the size of the target. */
bool ini_text(const struct ini_key *k, const struct ini_value *v);

/*
 * The next word of *s into word of cap octets: words are separated by blanks and
 * commas. False at the end; a word that does not fit comes out empty.
 */
bool ini_word(const char **s, char *word, size_t cap);

#endif
