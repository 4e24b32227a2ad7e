/* The part of `postern check` that looks at every mailbox, as STATE's owner. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/box.h"
#include "admin/check.h"
#include "admin/domain.h"
#include "admin/route.h"
#include "admin/tree.h"
#include "base/name.h"

static void
ignore_report(void *context, const char *message)
{
	(void)context;
	(void)message;
}

/* What openat2() as the keeper calls it says of a directory; false where it fails. */
static bool
check_opens(const struct admin *a, const char *path, const char *below, struct rows *out)
{
	int fd = mailbox_open(a->state, path, below, O_RDONLY | O_DIRECTORY);
	const char *advice = "let the owner of STATE read and write it";
	struct text t;
	char full[MAILBOX_PATH + 32];

	if (fd != -1) {
		tree_close(fd);
		return true;
	}
	text_init(&t, full, sizeof full);
	text_add(&t, path);
	text_add(&t, below);
	if (errno == EXDEV)
		advice = "move the directory onto the filesystem of STATE, without a mount";
	else if (errno == ELOOP || errno == ENOTDIR)
		advice = "put the directory itself there";
	finding(out, CHECK_ERROR, check_path(a, full), "%s" ADVICE "%s", box_problem(errno),
	        advice);
	return false;
}

static void
check_folder(const struct admin *a, const struct box *b, int maildir, const char *name,
             uid_t owner, struct rows *out)
{
	char below[32];
	struct stat st;
	struct text t;
	const char *where;

	text_init(&t, below, sizeof below);
	text_add(&t, "/Maildir/");
	text_add(&t, name);
	where = check_join(check_path(a, b->path), below + 1);
	if (fstatat(maildir, name, &st, AT_SYMLINK_NOFOLLOW) == -1 && errno == ENOENT) {
		finding(out, CHECK_WARNING, where, "it is missing: the Maildir is half made, and "
		        "programs that read it may fail" ADVICE "make it as the owner of the "
		        "Maildir: mkdir -m 0700 '%s'", where);
		return;
	}
	if (check_opens(a, b->path, below, out))
		check_owner(out, where, &st, owner, 022);
}

static void
check_maildir(const struct admin *a, const struct box *b, int box, uid_t owner,
              struct rows *out)
{
	static const char *const folders[] = { "tmp", "new", "cur" };
	const char *where = check_join(check_path(a, b->path), "Maildir");
	struct stat st;
	int maildir;

	if (fstatat(box, "Maildir", &st, AT_SYMLINK_NOFOLLOW) == -1 && errno == ENOENT)
		return; /* made at the first delivery */
	if (!check_opens(a, b->path, "/Maildir", out))
		return;
	check_owner(out, where, &st, owner, 022);
	maildir = tree_open(box, "Maildir");
	for (unsigned i = 0; maildir != -1 && i < 3; i++)
		check_folder(a, b, maildir, folders[i], owner, out);
	tree_close(maildir);
}

/* What other programs keep in a mailbox directory is theirs. */
static void
check_leftovers(const struct admin *a, const struct box *b, int box, struct rows *out)
{
	struct rows names;

	if (tree_list(box, &names) == 0)
		for (size_t i = 0; i < names.n; i++) {
			const char *name = rows_get(&names, i, 0);

			(void)check_leftover(out, check_join(check_path(a, b->path), name), name);
		}
	rows_free(&names);
}

static void
check_box(const struct admin *a, const struct box *b, int dir, uid_t owner,
          struct rows *out)
{
	struct stat st;
	int box;

	if (fstatat(dir, b->name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return; /* removed meanwhile */
	if (S_ISDIR(st.st_mode))
		check_owner(out, check_path(a, b->path), &st, owner, 022);
	if (S_ISDIR(st.st_mode) && st.st_uid != owner)
		return; /* and what is in it cannot be seen */
	if (!check_opens(a, b->path, "", out))
		return;
	box = tree_open(dir, b->name);
	if (box == -1)
		return;
	check_maildir(a, b, box, owner, out);
	check_leftovers(a, b, box, out);
	check_forward(a, b->domain, b->name, out);
	tree_close(box);
}

static void
check_name(const struct admin *a, const char *domain, const char *name, struct rows *out)
{
	char below[2 * LIMIT_NAME + 16];
	const char *where;
	struct text t;

	text_init(&t, below, sizeof below);
	text_add(&t, "mail/");
	text_add(&t, domain);
	text_addc(&t, '/');
	text_add(&t, name);
	where = check_path(a, below);
	if (!check_leftover(out, where, name))
		finding(out, CHECK_WARNING, where, "no address leads to that name, so it is no "
		        "mailbox" ADVICE "move it away; `postern user add` gives mailboxes their "
		        "names");
}

/* The mailbox that takes what has no other. */
static void
check_catchall(const struct admin *a, const char *domain, const struct domain *d,
               struct rows *out)
{
	struct address to;
	struct box b;
	int fd = -1;

	if (d->catchall[0] == '\0')
		return;
	(void)text_copy(to.local, sizeof to.local, d->catchall);
	(void)text_copy(to.domain, sizeof to.domain, domain);
	if (box_from_address(&b, &to))
		fd = mailbox_open(a->state, b.path, "", O_PATH | O_DIRECTORY);
	if (fd == -1)
		finding(out, CHECK_ERROR, check_join(a->conf.domains, domain), "its catchall, %s, "
		        "is no mailbox of the domain" ADVICE "postern user add %s@%s",
		        d->catchall, d->catchall, domain);
	tree_close(fd);
}

/* RFC 5321 4.5.1: mail for postmaster must be taken. */
static void
check_postmaster(const struct admin *a, const char *domain, struct rows *out)
{
	struct address to = { .local = "postmaster" };
	const struct address *p = &a->conf.postmaster;
	struct box b;

	(void)text_copy(to.domain, sizeof to.domain, domain);
	switch (route_look(a, &to, &b)) {
	case ROUTE_LOCAL:
		break;
	case ROUTE_REMOTE:
		finding(out, CHECK_ERROR, a->conf.file, "postmaster, %s@%s, is not in a domain "
		        "served here" ADVICE "name a mailbox of a domain in %s", p->local,
		        p->domain, a->conf.domains);
		break;
	case ROUTE_MISSING:
		finding(out, CHECK_WARNING, check_join(a->conf.domains, domain), "postmaster@%s "
		        "reaches no mailbox, which RFC 5321 4.5.1 asks for" ADVICE "set "
		        "`postmaster` in %s to a mailbox, or: postern alias add postmaster@%s "
		        "LOCAL@DOMAIN", domain, a->conf.file, domain);
	}
}

static void
check_domain(const struct admin *a, int mail, const char *domain, uid_t owner,
             struct rows *out)
{
	char below[LIMIT_NAME + 16];
	const char *where;
	struct rows names;
	struct domain d;
	struct stat st;
	struct text t;
	struct box b;
	int dir;

	text_init(&t, below, sizeof below);
	text_add(&t, "mail/");
	text_add(&t, domain);
	where = check_path(a, below);
	if (!check_opens(a, below, "", out))
		return;
	dir = tree_open(mail, domain);
	if (dir == -1 || fstat(dir, &st) == -1 || tree_list(dir, &names) == -1) {
		tree_close(dir);
		return;
	}
	check_owner(out, where, &st, owner, 022);
	if (conf_load_domain(&d, a->domains, domain, ignore_report, NULL) == 1) {
		if (names.n > 0)
			finding(out, CHECK_WARNING, where, "it holds %zu mailboxes or aliases of a "
			        "domain that is not served" ADVICE "postern domain add %s, or remove "
			        "them with `postern user remove` and `postern alias remove`",
			        names.n, domain);
		names.n = 0;
	}
	for (size_t i = 0; i < names.n; i++) {
		if (box_from_names(&b, domain, rows_get(&names, i, 0)))
			check_box(a, &b, dir, owner, out);
		else
			check_name(a, domain, rows_get(&names, i, 0), out);
	}
	rows_free(&names);
	tree_close(dir);
}

int
check_mail(int state, void *arg, struct rows *out)
{
	const struct admin *a = arg;
	char name[LIMIT_NAME + 1];
	struct rows domains, files;
	struct domain d;
	struct stat st;
	int mail = tree_open(state, "mail");

	if (mail == -1 || fstat(state, &st) == -1 || tree_list(mail, &domains) == -1) {
		tree_close(mail); /* check_state() has said so */
		return DONE;
	}
	for (size_t i = 0; i < domains.n; i++) {
		const char *domain = rows_get(&domains, i, 0);

		if (name_domain(name, domain) && strcmp(name, domain) == 0)
			check_domain(a, mail, domain, st.st_uid, out);
		else if (!check_leftover(out, check_join(check_path(a, "mail"), domain), domain))
			finding(out, CHECK_WARNING, check_join(check_path(a, "mail"), domain),
			        "it is no domain's name" ADVICE "move it away");
	}
	if (tree_list(a->domains, &files) == 0)
		for (size_t i = 0; i < files.n; i++)
			if (domain_of_file(name, rows_get(&files, i, 0)) &&
			    conf_load_domain(&d, a->domains, name, ignore_report, NULL) == 0) {
				check_catchall(a, name, &d, out);
				check_postmaster(a, name, out);
			}
	rows_free(&files);
	rows_free(&domains);
	tree_close(mail);
	return DONE;
}
