/* See walk.h. Reads as the owner of what it reads. */
#include "admin/walk.h"

#include <errno.h>
#include <string.h>

#include "admin/say.h"
#include "admin/tree.h"
#include "auth/store.h"
#include "auth/verifier.h"

static int
walk_domain(int state, int mail, const char *domain, walk_tell *tell, struct rows *out)
{
	struct rows names;
	struct box b;
	int dir = tree_open(mail, domain);
	int r = DONE;

	if (dir == -1) /* gone, or foreign: `postern check` names it */
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ?
		           DONE : say_failed(errno, "mail/%s", domain);
	if (tree_list(dir, &names) == -1)
		r = say_failed(errno, "mail/%s", domain);
	for (size_t i = 0; r == DONE && i < names.n; i++)
		if (box_from_names(&b, domain, rows_get(&names, i, 0)))
			tell(state, &b, out);
	rows_free(&names);
	tree_close(dir);
	return r;
}

int
walk_boxes(int state, const char *domain, walk_tell *tell, struct rows *out)
{
	struct rows domains;
	int mail = tree_open(state, "mail");
	int r = DONE;

	if (mail == -1)
		return say_failed(errno, "mail/");
	if (domain != NULL) {
		r = walk_domain(state, mail, domain, tell, out);
		tree_close(mail);
		return r;
	}
	if (tree_list(mail, &domains) == -1)
		r = say_failed(errno, "mail/");
	for (size_t i = 0; r == DONE && i < domains.n; i++)
		r = walk_domain(state, mail, rows_get(&domains, i, 0), tell, out);
	rows_free(&domains);
	tree_close(mail);
	return r;
}

/* "yes" for a login that `user disable` has shut out. */
static const char *
is_disabled(int dir, const char *name)
{
	char content[VERIFIER_MAX];
	struct verifier v;
	bool disabled = store_read(dir, name, content, sizeof content) != -1 &&
	                verifier_parse(&v, content) == NULL && v.disabled;

	explicit_bzero(content, sizeof content);
	explicit_bzero(&v, sizeof v);
	return disabled ? "yes" : "no";
}

int
walk_verifiers(int auth, void *arg, struct rows *out)
{
	struct rows domains, names;

	(void)arg;
	if (tree_list(auth, &domains) == -1) {
		rows_free(&domains);
		return say_failed(errno, "auth/");
	}
	for (size_t i = 0; i < domains.n; i++) {
		int dir = tree_open(auth, rows_get(&domains, i, 0));

		if (dir == -1)
			continue; /* foreign: `postern check` names it */
		if (tree_list(dir, &names) == 0)
			for (size_t k = 0; k < names.n; k++) {
				rows_add(out, rows_get(&domains, i, 0));
				rows_add(out, rows_get(&names, k, 0));
				rows_add(out, is_disabled(dir, rows_get(&names, k, 0)));
			}
		rows_free(&names);
		tree_close(dir);
	}
	rows_free(&domains);
	return DONE;
}
