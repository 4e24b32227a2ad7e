/* The part of `postern check` that looks at verifiers, as their owner. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/box.h"
#include "admin/check.h"
#include "admin/tree.h"
#include "auth/key.h"
#include "auth/throttle.h"
#include "auth/verifier.h"
#include "base/name.h"

static void
check_verifier(int dir, const char *name, const char *where, uid_t owner, struct rows *out)
{
	static char content[8 * VERIFIER_MAX];
	const char *problem = NULL;
	struct verifier v;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return; /* gone meanwhile */
	if (!S_ISREG(st.st_mode)) {
		finding(out, CHECK_ERROR, where, "it is no plain file" ADVICE "remove it, and set "
		        "the password again");
		return;
	}
	check_owner(out, where, &st, owner, 077);
	memset(&v, 0, sizeof v);
	if (tree_read(dir, name, content, sizeof content) == -1)
		problem = strerror(errno);
	else
		problem = verifier_parse(&v, content);
	sodium_memzero(&v, sizeof v);
	if (problem != NULL)
		finding(out, CHECK_ERROR, where, "nobody can log in with it: %s" ADVICE
		        "set the password again: postern user password LOCAL@DOMAIN", problem);
	sodium_memzero(content, sizeof content);
}

/* The authenticator's own: its key and its table of failures (auth/key.h, table.h). */
static bool
check_own(const struct admin *a, int auth, const char *name, uid_t owner, struct rows *out)
{
	const char *where = check_join(check_path(a, "auth"), name);
	unsigned char key[KEY_SIZE];
	struct stat st;

	if (strcmp(name, KEY_FILE) != 0 && strcmp(name, THROTTLE_FILE) != 0 &&
	    strcmp(name, THROTTLE_SET_ASIDE) != 0)
		return check_leftover(out, where, name);
	if (strcmp(name, THROTTLE_SET_ASIDE) == 0)
		finding(out, CHECK_WARNING, where, "it was damaged and set aside" ADVICE
		        "remove it");
	else if (fstatat(auth, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		check_owner(out, where, &st, owner, 077);
	/* It is there, so nothing is made. */
	if (strcmp(name, KEY_FILE) == 0 && key_load(auth, key) == -1 && errno == EBADMSG)
		finding(out, CHECK_ERROR, where, "it is damaged, and nobody can log in" ADVICE
		        "bring it back from a copy, or remove it: a new one is made, and only "
		        "CRAM-MD5 and DIGEST-MD5 need their passwords set again");
	sodium_memzero(key, sizeof key);
	return true;
}

static void
check_domain(const struct admin *a, int auth, const char *domain, uid_t owner,
             struct rows *out)
{
	const char *base = check_join(check_path(a, "auth"), domain);
	char again[LIMIT_NAME + 1];
	struct rows names;
	struct stat st;
	struct box b;
	int dir = tree_open(auth, domain);

	if (dir == -1 || fstat(dir, &st) == -1 || !name_domain(again, domain) ||
	    strcmp(again, domain) != 0) {
		finding(out, CHECK_WARNING, base, "it is no domain's directory" ADVICE
		        "move it away");
		tree_close(dir);
		return;
	}
	check_owner(out, base, &st, owner, 077);
	if (tree_list(dir, &names) == 0)
		for (size_t i = 0; i < names.n; i++) {
			const char *name = rows_get(&names, i, 0);
			const char *where = check_join(check_join(check_path(a, "auth"), domain), name);

			if (check_leftover(out, where, name))
				continue;
			if (box_from_names(&b, domain, name))
				check_verifier(dir, name, where, owner, out);
			else
				finding(out, CHECK_WARNING, where, "no address leads to that name"
				        ADVICE "move it away");
		}
	rows_free(&names);
	tree_close(dir);
}

int
check_auth(int auth, void *arg, struct rows *out)
{
	const struct admin *a = arg;
	struct rows domains;
	struct stat st;

	if (fstat(auth, &st) == 0 && tree_list(auth, &domains) == 0) {
		for (size_t i = 0; i < domains.n; i++) {
			const char *name = rows_get(&domains, i, 0);

			if (!check_own(a, auth, name, st.st_uid, out))
				check_domain(a, auth, name, st.st_uid, out);
		}
		rows_free(&domains);
	}
	return DONE;
}

int
check_lone_verifiers(int state, void *arg, struct rows *out)
{
	const struct check_verifiers *v = arg;
	struct box b;

	for (size_t i = 0; i < v->verifiers->n; i++) {
		const char *domain = rows_get(v->verifiers, i, 0);
		const char *name = rows_get(v->verifiers, i, 1);
		int fd;

		if (!box_from_names(&b, domain, name))
			continue; /* check_domain() has said so */
		fd = mailbox_open(state, b.path, "", O_PATH | O_DIRECTORY);
		if (fd == -1 && errno == ENOENT)
			finding(out, CHECK_WARNING,
			        check_join(check_join(check_path(v->a, "auth"), domain), name),
			        "it is the password of a mailbox that does not exist" ADVICE
			        "postern user remove %s, or postern user add %s", b.shown, b.shown);
		tree_close(fd);
	}
	return DONE;
}
