/* What the files envelope*.c share: the lines of the file, as text and back. */
#ifndef BASE_ENVELOPE_OWN_H
#define BASE_ENVELOPE_OWN_H

#include "base/envelope.h"

#define ENVELOPE_VERSION "1"
/* The longest line: `to`, with every octet of ORCPT and address as +XX. */
#define ENVELOPE_LINE (64 + 3 * (LIMIT_ORCPT + LIMIT_ADDRESS))
/* Of `to`, what changes: "SD NNNNNNNNNN NNN". */
#define ENVELOPE_MARK 17

/* A line before the first `to`: each function writes its value, or reads it. */
struct envelope_line {
	const char *key;
	bool optional; /* left out where it says nothing */
	size_t offset; /* of the member in struct envelope */
	const void *detail;
	/* False for what must not stand there; *nothing for what may be left out. */
	bool (*put)(const struct envelope_line *l, const char *member, struct text *t, bool *nothing);
	bool (*get)(const struct envelope_line *l, char *member, char *value);
};

/* In the file's order; key is NULL behind the last. */
extern const struct envelope_line envelope_lines[];

/* The value of `hold`, false and true. */
extern const char *const envelope_holds[];

/* Appends the ENVELOPE_MARK octets for to. */
void envelope_mark_text(struct text *t, const struct envelope_to *to);

/* Appends the line `to`, without LF. False when to is not what may stand in a file. */
bool envelope_put_to(struct text *t, const struct envelope_to *to);

/* s: what stands behind "to ", at `at` of the file; written to. False for what is none. */
bool envelope_get_to(struct envelope_to *to, char *s, off_t at);

/* Valid UTF-8 without control octets. */
bool envelope_is_printable(const char *s);

#endif
