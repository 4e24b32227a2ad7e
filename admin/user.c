/*
 * See user.h. Mail is touched as STATE's owner, verifiers as the owner of auth/. A
 * mailbox exists when its directory does, so that is made last and goes first.
 */
#include "admin/user.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/credential.h"
#include "admin/owner.h"
#include "admin/password.h"
#include "admin/say.h"
#include "admin/tree.h"

struct user_job {
	const struct admin *a;
	const struct box *box;
};

/* Beyond the exit codes: there is no such mailbox. */
#define GONE CREDENTIAL_NONE

static struct forward forward_text; /* 128 KiB: too much for a stack */

/* Refuses what is there already; GONE where nothing is. */
static int
look_job(int state, void *arg, struct rows *out)
{
	const struct box *b = ((struct user_job *)arg)->box;
	bool forward;

	(void)out;
	switch (box_look(state, b, &forward_text, &forward)) {
	case BOX_NONE:
		return GONE;
	case BOX_MAILBOX:
		return DONE;
	case BOX_ALIAS:
		return say_refused("%s is an alias: `postern alias list` shows where it leads, "
		                   "`postern alias remove %s` takes it away", b->shown, b->shown);
	case BOX_ERROR:
		break;
	}
	return say_refused("%s: %s; `postern check` tells more", b->path, box_problem(errno));
}

static int
look(const struct admin *a, struct user_job *j)
{
	return owner_run(a->state, look_job, j, NULL);
}

static int
make_job(int state, void *arg, struct rows *out)
{
	const struct box *b = ((struct user_job *)arg)->box;
	int dir = box_open_domain(state, b, true);
	int r = DONE;

	(void)out;
	if (dir == -1)
		return say_failed(errno, "mail/%s", b->domain);
	if (mkdirat(dir, b->name, 0700) == -1 || fsync(dir) == -1)
		r = say_failed(errno, "making %s", b->path);
	tree_close(dir);
	return r;
}

static int
refuse_existing(const struct box *b)
{
	return say_refused("%s exists already: `postern user password %s` changes its password",
	                   b->shown, b->shown);
}

int
user_make(struct admin *a, const struct box *b, const char *password)
{
	struct user_job j = { .a = a, .box = b };
	int r = look(a, &j);

	if (r == DONE)
		return refuse_existing(b);
	if (r != GONE)
		return r;
	/* A verifier without a mailbox, left by a crash, is replaced here. */
	r = password != NULL ? credential_set(a, b, password, true) : credential_remove(a, b);
	if (r != DONE && r != GONE)
		return r;
	return owner_run(a->state, make_job, &j, NULL);
}

/* The mailbox typed, in a served domain, and whether it is there. */
static int
open_box(struct admin *a, struct box *b)
{
	struct user_job j = { .a = a, .box = b };
	int r = box_parse(b, a->args[0]);

	if (r == DONE)
		r = box_served(a, b);
	return r == DONE ? look(a, &j) : r;
}

int
user_open(struct admin *a, struct box *b)
{
	int r = open_box(a, b);

	return r != GONE ? r : say_refused("there is no mailbox %s: `postern user add %s` makes "
	                                   "it", b->shown, b->shown);
}

int
user_set_password(struct admin *a, const struct box *b, const char *password)
{
	return credential_set(a, b, password, false);
}

static int
get_password(struct password *p, const struct admin *a, const struct box *b)
{
	int r = credential_check_options(a);

	if (r != DONE || (a->no_password && !a->password_stdin))
		return r;
	return password_get(p, a, b->shown); /* refuses both options together */
}

int
user_add(struct admin *a)
{
	struct password password;
	struct box b;
	int r = open_box(a, &b);

	if (r == DONE) /* told before a password is asked for */
		return refuse_existing(&b);
	if (r != GONE)
		return r;
	r = get_password(&password, a, &b);
	if (r == DONE)
		r = owner_lock(a->state);
	if (r == DONE)
		r = box_served(a, &b); /* also now that `domain remove` has to wait */
	if (r == DONE)
		r = user_make(a, &b, a->no_password ? NULL : password.text);
	password_wipe(&password);
	if (r == DONE)
		say("Made %s%s.\n", b.shown,
		    a->no_password ? ", which only receives (no password)" : "");
	return r;
}

int
user_password(struct admin *a)
{
	struct password password;
	struct box b;
	int r = user_open(a, &b);

	if (r == DONE)
		r = get_password(&password, a, &b);
	if (r == DONE)
		r = owner_lock(a->state);
	if (r == DONE)
		r = a->no_password ? credential_remove(a, &b) :
		                     credential_set(a, &b, password.text, false);
	password_wipe(&password);
	if (r != DONE && r != GONE)
		return r;
	if (a->no_password)
		say("%s has no password now: it only receives.\n", b.shown);
	else
		say("Changed the password of %s.\n", b.shown);
	return DONE;
}

/* Refuses to lose mail without --force; adds how many messages there are. */
static int
count_job(int state, void *arg, struct rows *out)
{
	const struct user_job *j = arg;
	unsigned long n;
	char number[24];
	struct text t;
	int r = look_job(state, arg, NULL);

	if (r != DONE)
		return r;
	n = box_messages(state, j->box);
	if (n > 0 && !j->a->force)
		return say_refused("%s holds %lu messages: --force removes them with it",
		                   j->box->shown, n);
	text_init(&t, number, sizeof number);
	text_addu(&t, n);
	rows_add(out, number);
	return DONE;
}

/*
 * The name goes first, in one step, so the keeper sees a whole mailbox or none; what
 * arrived since it was counted brings it back.
 */
static int
remove_job(int state, void *arg, struct rows *out)
{
	const struct user_job *j = arg;
	const struct box *b = j->box;
	struct box away = *b;
	char temporary[64];
	int dir = box_open_domain(state, b, false);
	int r = DONE;

	(void)out;
	if (dir == -1 || tree_move_away(dir, b->name, temporary) == -1) {
		r = say_failed(errno, "removing %s", b->path);
		tree_close(dir);
		return r;
	}
	mailbox_path(away.path, b->domain, temporary);
	if (!j->a->force && box_messages(state, &away) > 0) {
		r = say_refused("mail for %s has just come in: nothing was removed", b->shown);
		if (tree_move_back(dir, temporary, b->name) == -1)
			r = say_failed(errno, "%s is now %s, naming it back", b->path, away.path);
	} else if (tree_remove(dir, temporary) == -1) {
		r = say_failed(errno, "%s is removed, but not all of %s", b->shown, away.path);
	}
	tree_close(dir);
	return r;
}

static int
remove_mailbox(const struct admin *a, struct user_job *j)
{
	struct rows rows;
	bool verifier;
	int r, v;

	if (rows_start(&rows, 1) == -1)
		return say_failed(errno, "starting a list");
	r = owner_run(a->state, count_job, j, &rows);
	if (r == DONE && rows_load(&rows) == -1)
		r = say_failed(errno, "reading a list");
	if (r == DONE || r == GONE) {
		v = credential_remove(a, j->box); /* no log-in to a mailbox that is going */
		verifier = v == DONE;
		if (v != DONE && v != GONE)
			r = v;
		else if (r == DONE)
			r = owner_run(a->state, remove_job, j, NULL);
		else if (verifier)
			say("There was no mailbox %s, only a password: removed.\n", j->box->shown);
	}
	if (r == DONE)
		say("Removed %s; messages in it: %s.\n", j->box->shown, rows_get(&rows, 0, 0));
	else if (r == GONE && verifier)
		r = DONE;
	rows_free(&rows);
	return r;
}

int
user_remove(struct admin *a)
{
	struct user_job j;
	struct box b;
	int r = box_parse(&b, a->args[0]); /* the domain need not be served any more */

	j = (struct user_job){ .a = a, .box = &b };
	if (r == DONE)
		r = owner_lock(a->state);
	if (r == DONE)
		r = remove_mailbox(a, &j);
	if (r == GONE)
		return say_refused("there is no mailbox %s: `postern user list %s` shows what is",
		                   b.shown, b.domain);
	return r;
}
