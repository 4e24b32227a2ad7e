/* See targets.h. Pure functions over text; alias.c does the files. */
#include "admin/targets.h"

#include <string.h>
#include <strings.h>

#include "base/name.h"

bool
targets_same(const struct address *a, const struct address *b)
{
	char x[LIMIT_NAME + 1], y[LIMIT_NAME + 1];

	if (strcasecmp(a->local, b->local) != 0)
		return false;
	if (name_domain(x, a->domain) && name_domain(y, b->domain))
		return strcmp(x, y) == 0;
	return strcasecmp(a->domain, b->domain) == 0; /* literals */
}

static void
rewind_text(struct forward *f)
{
	f->at = 0;
	f->line = 0;
}

bool
targets_have(struct forward *f, const struct address *a)
{
	enum forward_line line;
	struct address other;
	bool found = false;

	rewind_text(f);
	while (!found && (line = forward_next(f, &other)) != FORWARD_END)
		found = line == FORWARD_ADDRESS && targets_same(a, &other);
	rewind_text(f);
	return found;
}

unsigned
targets_count(struct forward *f)
{
	enum forward_line line;
	struct address a;
	unsigned n = 0;

	rewind_text(f);
	while ((line = forward_next(f, &a)) != FORWARD_END)
		n += line == FORWARD_ADDRESS;
	rewind_text(f);
	return n;
}

void
targets_append(struct text *t, const struct address *a)
{
	if (t->len > 0 && t->buf[t->len - 1] != '\n')
		text_addc(t, '\n');
	address_text(t, a);
	text_addc(t, '\n');
}

static bool
is_among(const struct address *a, const struct address *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (targets_same(a, &list[i]))
			return true;
	return false;
}

void
targets_copy_without(struct text *t, struct forward *f, const struct address *drop,
                     unsigned n)
{
	enum forward_line line;
	struct address a;
	size_t from = 0;

	rewind_text(f);
	/* What lies between two calls is comments, blank lines and this address's line. */
	while ((line = forward_next(f, &a)) != FORWARD_END) {
		if (line == FORWARD_ADDRESS && is_among(&a, drop, n)) {
			size_t start = f->at - 1; /* the newline, or the last octet */

			while (start > from && f->text[start - 1] != '\n')
				start--;
			text_addn(t, f->text + from, start - from);
		} else {
			text_addn(t, f->text + from, f->at - from);
		}
		from = f->at;
	}
	text_addn(t, f->text + from, f->len - from);
}
