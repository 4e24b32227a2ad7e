/* The part of `postern check` that follows forward files. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin/box.h"
#include "admin/check.h"
#include "admin/route.h"

static struct forward file; /* 128 KiB: too much for a stack */

struct forward_check {
	const struct admin *a;
	const struct box *box;
	const char *where;
	struct route *route;
	unsigned good;             /* lines that lead somewhere */
	struct rows *out;
};

static void
check_target(struct forward_check *c, const struct address *to)
{
	char shown[LIMIT_ADDRESS + 1];
	struct text t;
	struct box b;

	text_init(&t, shown, sizeof shown);
	address_text(&t, to);
	switch (route_look(c->a, to, &b)) {
	case ROUTE_LOCAL:
		break;
	case ROUTE_REMOTE:
		finding(c->out, CHECK_WARNING, c->where, "line %u: %s is not served here, and "
		        "this version cannot send mail out: senders are asked to try again later"
		        ADVICE "take the line out until mail out is there", file.line, shown);
		break;
	case ROUTE_MISSING:
		finding(c->out, CHECK_WARNING, c->where, "line %u: there is no mailbox %s" ADVICE
		        "postern user add %s, or forward elsewhere with `postern alias add` and "
		        "`postern alias remove`", file.line, shown, shown);
		return;
	}
	c->good++;
}

static void
check_lines(struct forward_check *c)
{
	enum forward_line line;
	struct address to;

	while ((line = forward_next(&file, &to)) != FORWARD_END) {
		if (line == FORWARD_BAD)
			finding(c->out, CHECK_WARNING, c->where, "line %u is no address" ADVICE
			        "one address a line, such as alice@example.org; comments begin with #",
			        file.line);
		else
			check_target(c, &to);
	}
	if (c->good == 0)
		finding(c->out, CHECK_ERROR, c->where, "it leads to no mailbox, so mail for %s is "
		        "refused" ADVICE "postern alias add %s LOCAL@DOMAIN, or remove it",
		        c->box->shown, c->box->shown);
}

/* After check_lines(): whether the lines together reach a mailbox. */
static void
check_circle(struct forward_check *c)
{
	struct route *r = c->route;
	enum forward_line line;
	struct address to;

	file.at = 0;
	file.line = 0;
	route_start(r, c->box);
	while ((line = forward_next(&file, &to)) != FORWARD_END)
		if (line == FORWARD_ADDRESS)
			route_follow(r, &to);
	if (r->deep)
		finding(c->out, CHECK_ERROR, c->where, "it leads through more than %d forward "
		        "files" ADVICE "forward to the last mailbox directly",
		        LIMIT_FORWARD_DEPTH);
	else if (!r->delivers && c->good > 0)
		finding(c->out, CHECK_ERROR, c->where, "it leads in a circle and reaches no "
		        "mailbox" ADVICE "`postern alias list` shows the circle: break it with "
		        "`postern alias remove`");
}

void
check_forward(const struct admin *a, const char *domain, const char *name, struct rows *out)
{
	struct box b;
	struct forward_check c = { .a = a, .box = &b, .out = out };
	bool forward;
	enum box_kind kind;

	if (!box_from_names(&b, domain, name))
		return;
	c.where = check_join(check_path(a, b.path), "forward");
	kind = box_look(a->state, &b, &file, &forward);
	if (kind == BOX_ERROR)
		finding(out, CHECK_ERROR, c.where, "its forward file cannot be read: %s" ADVICE
		        "replace it by a plain file of at most %d octets, or remove it",
		        box_problem(errno), LIMIT_FORWARD_FILE);
	if (!forward)
		return;
	check_lines(&c);
	if (kind == BOX_MAILBOX)
		return; /* it keeps a copy, whatever else */
	c.route = route_new(a);
	if (c.route != NULL)
		check_circle(&c);
	free(c.route);
}
