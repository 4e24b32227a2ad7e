/* postern alias list: every forward file of STATE and what it holds. */
#include <errno.h>
#include <string.h>

#include "admin/alias.h"
#include "admin/json.h"
#include "admin/owner.h"
#include "admin/say.h"
#include "admin/walk.h"
#include "base/name.h"

/* A row for each target, in the order of the file; one with "" where there is none. */
enum column { DOMAIN, NAME, NUMBER, TARGET, SHOWN, COPY, COLUMNS };

static void
add_row(struct rows *out, const struct box *b, unsigned line, const char *target, bool copy)
{
	char number[16];
	struct text t;

	text_init(&t, number, sizeof number);
	text_addf(&t, line, 8); /* sorts as text */
	rows_add(out, b->domain);
	rows_add(out, b->name);
	rows_add(out, number);
	rows_add(out, target);
	rows_add(out, b->shown);
	rows_add(out, copy ? "yes" : "no");
}

static void
add_alias(int state, const struct box *b, struct rows *out)
{
	static struct forward f; /* 128 KiB: too much for a stack */
	char shown[LIMIT_ADDRESS + 1];
	bool forward;
	bool copy = box_look(state, b, &f, &forward) == BOX_MAILBOX;
	enum forward_line line;
	struct address a;
	struct text t;
	bool any = false;

	while (forward && (line = forward_next(&f, &a)) != FORWARD_END) {
		if (line == FORWARD_BAD)
			continue; /* `postern check` names it */
		text_init(&t, shown, sizeof shown);
		address_text(&t, &a);
		add_row(out, b, f.line, shown, copy);
		any = true;
	}
	if (forward && !any)
		add_row(out, b, 0, "", copy);
}

static int
list_job(int state, void *arg, struct rows *out)
{
	return walk_boxes(state, arg, add_alias, out);
}

static bool
begins(const struct rows *r, size_t i)
{
	return i == 0 || strcmp(rows_get(r, i, DOMAIN), rows_get(r, i - 1, DOMAIN)) != 0 ||
	       strcmp(rows_get(r, i, NAME), rows_get(r, i - 1, NAME)) != 0;
}

static void
print_text(const struct rows *r)
{
	for (size_t i = 0; i < r->n; i++) {
		if (begins(r, i))
			say("%s%s:", i > 0 ? "\n" : "", rows_get(r, i, SHOWN));
		say(" %s", rows_get(r, i, TARGET)[0] != '\0' ? rows_get(r, i, TARGET) : "(nowhere)");
	}
	if (r->n > 0)
		say("\n");
}

static void
print_json(const struct rows *r)
{
	struct json j;

	json_start(&j, stdout);
	json_open(&j, NULL, '[');
	for (size_t i = 0; i < r->n; i++) {
		if (begins(r, i)) {
			json_open(&j, NULL, '{');
			json_string(&j, "address", rows_get(r, i, SHOWN));
			json_string(&j, "domain", rows_get(r, i, DOMAIN));
			json_string(&j, "directory", rows_get(r, i, NAME));
			json_bool(&j, "keeps_copy", rows_get(r, i, COPY)[0] == 'y');
			json_open(&j, "targets", '[');
		}
		if (rows_get(r, i, TARGET)[0] != '\0')
			json_string(&j, NULL, rows_get(r, i, TARGET));
		if (i + 1 == r->n || begins(r, i + 1)) {
			json_close(&j, ']');
			json_close(&j, '}');
		}
	}
	json_close(&j, ']');
	json_end(&j);
}

int
alias_list(struct admin *a)
{
	char domain[LIMIT_NAME + 1];
	struct rows rows;
	int r;

	if (a->n_args > 0 && !name_domain(domain, a->args[0]))
		return say_misused("'%s' is no domain name: expected one such as example.org",
		                   a->args[0]);
	if (rows_start(&rows, COLUMNS) == -1)
		return say_failed(errno, "starting a list");
	r = owner_run(a->state, list_job, a->n_args > 0 ? domain : NULL, &rows);
	if (r == DONE && rows_load(&rows) == -1)
		r = say_failed(errno, "reading a list");
	if (r == DONE)
		(a->json ? print_json : print_text)(&rows);
	rows_free(&rows);
	return r;
}
