/* postern user list: the mailboxes of STATE, and who of them has a password. */
#include <errno.h>

#include "admin/json.h"
#include "admin/owner.h"
#include "admin/say.h"
#include "admin/tree.h"
#include "admin/user.h"
#include "admin/walk.h"
#include "base/name.h"

enum column { DOMAIN, NAME, SHOWN, FORWARD, COLUMNS };

struct list_job {
	const char *domain; /* only this one, or NULL */
};

static void
add_mailbox(int state, const struct box *b, struct rows *out)
{
	static struct forward f; /* 128 KiB: too much for a stack */
	bool forward;

	if (box_look(state, b, &f, &forward) != BOX_MAILBOX)
		return;
	rows_add(out, b->domain);
	rows_add(out, b->name);
	rows_add(out, b->shown);
	rows_add(out, forward ? "yes" : "no");
}

static int
list_job(int state, void *arg, struct rows *out)
{
	const struct list_job *j = arg;

	return walk_boxes(state, j->domain, add_mailbox, out);
}

enum login { NOBODY, DISABLED, ENABLED };

/* Can anybody log in to the i-th mailbox? */
static enum login
find_login(const struct rows *users, const struct rows *verifiers, size_t i)
{
	size_t row;

	if (!rows_find(verifiers, rows_get(users, i, DOMAIN), rows_get(users, i, NAME), &row))
		return NOBODY;
	return rows_get(verifiers, row, 2)[0] == 'y' ? DISABLED : ENABLED;
}

static void
print_text(const struct rows *users, const struct rows *verifiers)
{
	for (size_t i = 0; i < users->n; i++) {
		enum login login = find_login(users, verifiers, i);

		say("%s%s%s\n", rows_get(users, i, SHOWN),
		    login == NOBODY   ? "  (no password: only receives)" :
		    login == DISABLED ? "  (disabled: only receives)" : "",
		    rows_get(users, i, FORWARD)[0] == 'y' ? "  (forwards too)" : "");
	}
}

static void
print_json(const struct rows *users, const struct rows *verifiers)
{
	char local[LIMIT_LOCAL + 1];
	struct json j;

	json_start(&j, stdout);
	json_open(&j, NULL, '[');
	for (size_t i = 0; i < users->n; i++) {
		const char *domain = rows_get(users, i, DOMAIN);
		const char *name = rows_get(users, i, NAME);

		json_open(&j, NULL, '{');
		json_string(&j, "address", rows_get(users, i, SHOWN));
		json_string(&j, "domain", domain);
		json_string(&j, "local", name_to_local(local, name) ? local : name);
		json_string(&j, "directory", name);
		json_bool(&j, "password", find_login(users, verifiers, i) != NOBODY);
		json_bool(&j, "disabled", find_login(users, verifiers, i) == DISABLED);
		json_bool(&j, "forwards", rows_get(users, i, FORWARD)[0] == 'y');
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_end(&j);
}

int
user_list(struct admin *a)
{
	struct rows users = { 0 };
	struct rows verifiers = { 0 };
	char domain[LIMIT_NAME + 1];
	struct list_job j = { NULL };
	int auth, r;

	if (a->n_args > 0) {
		if (!name_domain(domain, a->args[0]))
			return say_misused("'%s' is no domain name: expected one such as "
			                   "example.org", a->args[0]);
		j.domain = domain;
	}
	auth = owner_open(a, "auth");
	if (auth == -1)
		return REFUSED;
	if (rows_start(&users, COLUMNS) == -1 || rows_start(&verifiers, WALK_VERIFIER_COLUMNS) == -1)
		r = say_failed(errno, "starting a list");
	else
		r = owner_run(auth, walk_verifiers, NULL, &verifiers);
	if (r == DONE)
		r = owner_run(a->state, list_job, &j, &users);
	if (r == DONE && (rows_load(&users) == -1 || rows_load(&verifiers) == -1))
		r = say_failed(errno, "reading a list");
	if (r == DONE)
		(a->json ? print_json : print_text)(&users, &verifiers);
	rows_free(&users);
	rows_free(&verifiers);
	tree_close(auth);
	return r;
}
