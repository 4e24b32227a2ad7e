/*
 * See alias.h. One job as STATE's owner decides by what is there and then writes;
 * a forward file is always replaced whole.
 */
#include "admin/alias.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin/owner.h"
#include "admin/route.h"
#include "admin/say.h"
#include "admin/targets.h"
#include "admin/tree.h"

struct alias_job {
	const struct admin *a;
	struct box box;
	unsigned n;
	struct address target[LIMIT_FORWARD_TARGETS];
};

/* 128 KiB each: too much for a stack. */
static struct forward old;
static char new[LIMIT_FORWARD_FILE];

static int
refuse_error(const struct box *b)
{
	return say_refused("%s: %s; `postern check` tells more", b->path, box_problem(errno));
}

static bool
is_own(const struct box *b, const struct address *a)
{
	struct box other;

	return box_from_address(&other, a) && is_same_box(b, &other);
}

static bool
has_own(const struct alias_job *j)
{
	for (unsigned i = 0; i < j->n; i++)
		if (is_own(&j->box, &j->target[i]))
			return true;
	return false;
}

/* A target that mail could not reach; and a remark about one that it can't yet. */
static int
look_at_target(const struct alias_job *j, const struct address *target)
{
	char shown[LIMIT_ADDRESS + 1];
	struct box b;
	struct text t;

	text_init(&t, shown, sizeof shown);
	address_text(&t, target);
	if (targets_have(&old, target))
		return say_refused("%s forwards to %s already", j->box.shown, shown);
	if (is_own(&j->box, target))
		return DONE;
	switch (route_look(j->a, target, &b)) {
	case ROUTE_LOCAL:
		return DONE;
	case ROUTE_MISSING:
		if (j->a->force)
			return DONE;
		return say_refused("there is no mailbox %s: make it first, or give --force",
		                   shown);
	case ROUTE_REMOTE:
		break;
	}
	(void)say_refused("note: %s is not served here, and this version cannot send mail "
	                  "out: senders are asked to try again later", shown);
	return DONE;
}

/* Follows the file that is to be: old targets and new ones. */
static int
refuse_circle(const struct alias_job *j)
{
	struct route *r = route_new(j->a);
	enum forward_line line;
	struct address a;
	bool reaches;

	if (r == NULL)
		return say_failed(errno, "following the targets");
	route_start(r, &j->box);
	while ((line = forward_next(&old, &a)) != FORWARD_END)
		if (line == FORWARD_ADDRESS)
			route_follow(r, &a);
	for (unsigned i = 0; i < j->n; i++)
		route_follow(r, &j->target[i]);
	reaches = r->delivers || j->a->force || has_own(j);
	reaches = reaches && !r->deep;
	free(r);
	if (reaches)
		return DONE;
	return say_refused("%s would lead in a circle, or through more than %d aliases, and "
	                   "reach no mailbox", j->box.shown, LIMIT_FORWARD_DEPTH);
}

/* What may be done with a mailbox or alias of this kind; DONE: go on. */
static int
allow_add(const struct alias_job *j, enum box_kind kind, bool forward)
{
	const char *shown = j->box.shown;

	if (kind == BOX_MAILBOX && !forward && !has_own(j))
		return say_refused("%s is a mailbox: to forward its mail and keep a copy, name "
		                   "%s itself among the targets", shown, shown);
	if (kind != BOX_MAILBOX && has_own(j))
		return say_refused("%s is no mailbox, so it can keep no copy: `postern user add "
		                   "%s` makes one", shown, shown);
	return DONE;
}

static int
write_forward(int state, const struct box *b, bool exists, const struct text *t)
{
	int dir = box_open_domain(state, b, true);
	int box = dir != -1 && exists ? tree_open(dir, b->name) : -1;
	int r = -1;

	if (dir != -1 && !exists)
		r = tree_make_with_file(dir, b->name, "forward", t->buf, t->len);
	else if (box != -1)
		r = tree_write(box, "forward", t->buf, t->len, 0600, true);
	r = r == 0 ? DONE : say_failed(errno, "writing %s/forward", b->path);
	tree_close(box);
	tree_close(dir);
	return r;
}

static int
add_job(int state, void *arg, struct rows *out)
{
	const struct alias_job *j = arg;
	enum box_kind kind;
	struct text t;
	bool forward;
	int r;

	(void)out;
	kind = box_look(state, &j->box, &old, &forward);
	if (kind == BOX_ERROR)
		return refuse_error(&j->box);
	if (!forward)
		old.at = old.len = 0;
	r = allow_add(j, kind, forward);
	for (unsigned i = 0; r == DONE && i < j->n; i++)
		r = look_at_target(j, &j->target[i]);
	if (r == DONE && targets_count(&old) + j->n > LIMIT_FORWARD_TARGETS)
		r = say_refused("%s would have more than %d targets", j->box.shown,
		                LIMIT_FORWARD_TARGETS);
	if (r == DONE)
		r = refuse_circle(j);
	if (r != DONE)
		return r;
	text_init(&t, new, sizeof new);
	text_addn(&t, old.text, old.len);
	for (unsigned i = 0; i < j->n; i++)
		targets_append(&t, &j->target[i]);
	if (!text_ok(&t))
		return say_refused("%s/forward would be larger than %d octets", j->box.path,
		                   LIMIT_FORWARD_FILE);
	return write_forward(state, &j->box, kind != BOX_NONE, &t);
}

/* The targets typed behind the address. DONE or MISUSED, told. */
static int
parse_targets(struct alias_job *j, char **typed, unsigned n)
{
	j->n = 0;
	if (n > LIMIT_FORWARD_TARGETS)
		return say_misused("expected at most %d targets", LIMIT_FORWARD_TARGETS);
	for (unsigned i = 0; i < n; i++) {
		struct address *a = &j->target[j->n];

		if (!parse_address(typed[i], a) || !is_address_safe(a->local, a->domain))
			return say_misused("'%s' is no valid address: expected a target such as "
			                   "alice@example.org", typed[i]);
		for (unsigned k = 0; k < j->n; k++)
			if (targets_same(a, &j->target[k]))
				return say_misused("'%s' is given twice", typed[i]);
		j->n++;
	}
	return DONE;
}

/* Everything an alias command was given, and the lock. */
static int
prepare(struct alias_job *j, struct box *b, struct admin *a)
{
	int r = box_parse(b, a->args[0]);

	j->a = a;
	j->box = *b;
	if (r == DONE)
		r = parse_targets(j, a->args + 1, a->n_args - 1);
	return r == DONE ? owner_lock(a->state) : r;
}

int
alias_add(struct admin *a)
{
	static struct alias_job j; /* 160 KiB */
	struct box b;
	int r = prepare(&j, &b, a);

	if (r == DONE)
		r = box_served(a, &b);
	if (r == DONE)
		r = owner_run(a->state, add_job, &j, NULL);
	if (r != DONE)
		return r;
	say("%s forwards to", b.shown);
	for (unsigned i = 1; i < a->n_args; i++)
		say(" %s", a->args[i]);
	say(" from now on.\n");
	return DONE;
}

int
alias_make(struct admin *a, const struct box *b, const char *target)
{
	static struct alias_job j;

	j.a = a;
	j.box = *b;
	j.n = 1;
	if (!parse_address(target, &j.target[0]))
		return say_misused("'%s' is no valid address", target);
	return owner_run(a->state, add_job, &j, NULL);
}

/* The whole alias, or only the forwarding of a mailbox. */
static int
remove_whole(int state, const struct alias_job *j, enum box_kind kind)
{
	const struct box *b = &j->box;
	char temporary[64];
	unsigned long n = kind == BOX_ALIAS ? box_messages(state, b) : 0;
	int dir, box, r;

	if (n > 0 && !j->a->force)
		return say_refused("%s is an alias, but holds %lu messages from before: --force "
		                   "removes them with it", b->shown, n);
	dir = box_open_domain(state, b, false);
	box = dir != -1 ? tree_open(dir, b->name) : -1;
	if (box == -1)
		r = -1;
	else if (kind == BOX_MAILBOX)
		r = tree_unlink(box, "forward");
	else if ((r = tree_move_away(dir, b->name, temporary)) == 0)
		r = tree_remove(dir, temporary);
	r = r == 0 ? DONE : say_failed(errno, "removing %s", b->path);
	tree_close(box);
	tree_close(dir);
	return r;
}

/* Only the targets named; the last one of an alias has to go with the alias. */
static int
remove_targets(int state, const struct alias_job *j, enum box_kind kind)
{
	struct forward *f = &old;
	struct text t;
	unsigned left;

	for (unsigned i = 0; i < j->n; i++)
		if (!targets_have(f, &j->target[i]))
			return say_refused("%s does not forward to %s@%s: `postern alias list` "
			                   "shows where it leads", j->box.shown,
			                   j->target[i].local, j->target[i].domain);
	left = targets_count(f) - j->n;
	if (kind == BOX_MAILBOX && has_own(j))
		return say_refused("without its own address %s would be an alias and keep no "
		                   "mail: remove the other targets instead", j->box.shown);
	if (left == 0)
		return say_refused("that would leave %s without a target: `postern alias remove "
		                   "%s` removes the alias", j->box.shown, j->box.shown);
	if (left == 1 && kind == BOX_MAILBOX)
		return remove_whole(state, j, kind);
	text_init(&t, new, sizeof new);
	targets_copy_without(&t, f, j->target, j->n);
	return write_forward(state, &j->box, true, &t);
}

static int
remove_job(int state, void *arg, struct rows *out)
{
	const struct alias_job *j = arg;
	const char *shown = j->box.shown;
	bool forward;
	enum box_kind kind = box_look(state, &j->box, &old, &forward);

	(void)out;
	if (kind == BOX_ERROR)
		return refuse_error(&j->box);
	if (kind == BOX_NONE)
		return say_refused("there is no alias %s: `postern alias list %s` shows what is",
		                   shown, j->box.domain);
	if (!forward)
		return say_refused("%s is a mailbox that forwards nothing: `postern user remove "
		                   "%s` removes it", shown, shown);
	return j->n > 0 ? remove_targets(state, j, kind) : remove_whole(state, j, kind);
}

int
alias_remove(struct admin *a)
{
	static struct alias_job j; /* 160 KiB */
	struct box b;
	int r = prepare(&j, &b, a);

	if (r == DONE)
		r = owner_run(a->state, remove_job, &j, NULL);
	if (r == DONE && j.n > 0)
		say("%s forwards to %u address%s less.\n", b.shown, j.n, j.n == 1 ? "" : "es");
	else if (r == DONE)
		say("%s no longer forwards.\n", b.shown);
	return r;
}
