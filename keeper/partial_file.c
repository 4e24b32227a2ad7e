/* See partial_file.h. Pure: called by partial.c with a file's octets, which may be any. */
#include "keeper/partial_file.h"

#include <stddef.h>
#include <string.h>

#include "base/name.h"
#include "base/num.h"
#include "base/transid.h"
#include "base/xtext.h"

#define FIRST "postern-partial 1"
#define TIME_MAX 9999999999

static bool
is_state(char c)
{
	return c == PARTIAL_RECEIVING || c == PARTIAL_COMMITTING || c == PARTIAL_DONE;
}

void
partial_mark_text(struct text *t, const struct partial_mark *m)
{
	text_addc(t, (char)m->state);
	text_addc(t, ' ');
	text_addf(t, m->octets, 20);
	text_addc(t, ' ');
	text_addf(t, m->canonical, 20);
	text_addc(t, ' ');
	text_addf(t, m->boot > TIME_MAX ? TIME_MAX : m->boot, 10);
}

/* "R 20 digits 20 digits 10 digits", each separated by one blank. */
static bool
parse_mark(char *s, struct partial_mark *m)
{
	if (strlen(s) != PARTIAL_MARK || !is_state(s[0]) || s[1] != ' ' || s[22] != ' ' ||
	    s[43] != ' ')
		return false;
	m->state = (enum partial_state)s[0];
	s[22] = s[43] = '\0';
	return parse_u64(s + 2, LIMIT_MESSAGE * 2, &m->octets) &&
	       parse_u64(s + 23, LIMIT_MESSAGE * 2, &m->canonical) &&
	       parse_u64(s + 44, TIME_MAX, &m->boot) &&
	       (m->octets == 0) == (m->canonical == 0 && m->state == PARTIAL_RECEIVING);
}

static bool
is_owner(const char *s)
{
	return (strncmp(s, "login ", 6) == 0 && s[6] != '\0') ||
	       (strncmp(s, "address ", 8) == 0 && s[8] != '\0');
}

static bool
is_any(const char *s)
{
	return s[0] != '\0';
}

#define AT(member) offsetof(struct partial_file, member)

/* The lines between mark and end; those without `good` are numbers. */
static const struct line {
	const char *key;
	size_t at, size;
	bool (*good)(const char *s);
} lines[] = {
	{ "id", AT(id), LIMIT_ID + 1, name_is_plain },
	{ "file", AT(file), LIMIT_ID + 1, name_is_plain },
	{ "name", AT(name), LIMIT_NAME + 1, name_is_plain },
	{ "owner", AT(owner), PARTIAL_OWNER + 1, is_owner },
	{ "helo", AT(helo), LIMIT_DOMAIN + 3, is_any },
	{ "transid", AT(transid), LIMIT_TRANSID + 1, is_transid },
	{ "size", AT(size), 0, NULL },
	{ "recipients", AT(recipients), 0, NULL },
};
#define N_LINES (sizeof lines / sizeof lines[0])

void
partial_file_text(struct text *t, const struct partial_file *f)
{
	text_add(t, FIRST "\nmark ");
	partial_mark_text(t, &f->mark);
	text_addc(t, '\n');
	for (const struct line *l = lines; l < lines + N_LINES; l++) {
		const char *member = (const char *)f + l->at;
		uint64_t n;

		text_add(t, l->key);
		text_addc(t, ' ');
		if (l->good != NULL) {
			t->bad |= !l->good(member);
			xtext_encode(t, member);
		} else {
			memcpy(&n, member, sizeof n);
			text_addu(t, n);
		}
		text_addc(t, '\n');
	}
	text_add(t, "end\n");
}

/* The next line, its LF replaced; NULL when there is none. */
static char *
next_line(char **s)
{
	char *line = *s;
	char *lf = strchr(line, '\n');

	if (lf == NULL)
		return NULL;
	*lf = '\0';
	*s = lf + 1;
	return line;
}

static char *
value_of(char *line, const char *key)
{
	size_t len = strlen(key);

	return line != NULL && strncmp(line, key, len) == 0 && line[len] == ' ' ?
	       line + len + 1 : NULL;
}

static bool
parse_line(const struct line *l, char *value, struct partial_file *f)
{
	char *member = (char *)f + l->at;
	struct text t;
	uint64_t n;

	if (value == NULL)
		return false;
	if (l->good != NULL) {
		text_init(&t, member, l->size);
		return xtext_decode(&t, value, strlen(value)) && l->good(member);
	}
	if (!parse_u64(value, UINT64_MAX, &n))
		return false;
	memcpy(member, &n, sizeof n);
	return true;
}

bool
partial_file_parse(char *s, struct partial_file *f, const char **why)
{
	char *line = next_line(&s);

	memset(f, 0, sizeof *f);
	*why = "expected the line '" FIRST "'";
	if (line == NULL || strcmp(line, FIRST) != 0)
		return false;
	*why = "mark";
	line = value_of(next_line(&s), "mark");
	if (line == NULL || !parse_mark(line, &f->mark))
		return false;
	for (const struct line *l = lines; l < lines + N_LINES; l++) {
		*why = l->key;
		if (!parse_line(l, value_of(next_line(&s), l->key), f))
			return false;
	}
	*why = "recipients";
	if (f->recipients == 0 || f->recipients > LIMIT_RECIPIENTS)
		return false;
	*why = "end";
	line = next_line(&s);
	return line != NULL && strcmp(line, "end") == 0 && *s == '\0';
}
