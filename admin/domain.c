/*
 * See domain.h. The files are written as the owner of the directory that holds them
 * (root, in a system-wide tree); STATE is only looked at, as its own owner.
 */
#include "admin/domain.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "admin/json.h"
#include "admin/owner.h"
#include "admin/say.h"
#include "admin/tree.h"
#include "admin/walk.h"
#include "base/name.h"

#define SUFFIX ".conf"

static const char template[] =
	"# A domain that Postern serves; see postern-domain(5).\n"
	"# Changes count from the next connection on.\n"
	"deliver = maildir\n"
	"\n"
	"# Largest message for this domain, where smaller than the global `size`.\n"
	"#size = 10M\n"
	"\n"
	"# Space for each mailbox, and optionally how many messages.\n"
	"#quota = 1G 100000\n"
	"\n"
	"# The mailbox that takes mail for names that do not exist.\n"
	"#catchall = postmaster\n";

/* The directory and file name of what was typed. */
struct domain_name {
	char name[LIMIT_NAME + 1];
	char file[LIMIT_NAME + 1];
};

static bool
name_file(struct domain_name *n)
{
	struct text t;

	text_init(&t, n->file, sizeof n->file);
	text_add(&t, n->name);
	text_add(&t, SUFFIX);
	return text_ok(&t);
}

static int
parse_name(struct domain_name *n, const char *typed)
{
	if (!name_domain(n->name, typed))
		return say_misused("'%s' is no domain name: expected one such as example.org",
		                   typed);
	if (!name_file(n))
		return say_misused("'%s' is too long for a file name: expected at most %d octets",
		                   typed, LIMIT_NAME - (int)strlen(SUFFIX));
	return DONE;
}

bool
domain_of_file(char name[LIMIT_NAME + 1], const char *file)
{
	char again[LIMIT_NAME + 1];
	size_t len = strlen(file);
	struct text t;

	if (len <= strlen(SUFFIX) || strcmp(file + len - strlen(SUFFIX), SUFFIX) != 0)
		return false;
	text_init(&t, name, LIMIT_NAME + 1);
	text_addn(&t, file, len - strlen(SUFFIX));
	return text_ok(&t) && name_domain(again, name) && strcmp(again, name) == 0;
}

static int
write_job(int dir, void *arg, struct rows *out)
{
	struct domain_name *n = arg;

	(void)out;
	if (tree_write(dir, n->file, template, strlen(template), 0644, false) == 0)
		return DONE;
	if (errno == EEXIST)
		return REFUSED;
	return say_failed(errno, "writing domains/%s", n->file);
}

int
domain_write(int domains, const char *name)
{
	struct domain_name n;
	int r = parse_name(&n, name);

	return r == DONE ? owner_run(domains, write_job, &n, NULL) : r;
}

int
domain_add(struct admin *a)
{
	struct domain_name n;
	int r = parse_name(&n, a->args[0]);

	if (r != DONE)
		return r;
	if (faccessat(a->domains, n.file, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return say_refused("%s is served already: see %s/%s", n.name, a->conf.domains,
		                   n.file);
	r = domain_write(a->domains, n.name);
	if (r == DONE)
		say("Serving %s from now on; its settings are in %s/%s.\n"
		    "Make mailboxes with `postern user add LOCAL@%s`.\n",
		    n.name, a->conf.domains, n.file, n.name);
	return r;
}

static void
tell_error(void *context, const char *message)
{
	unsigned *errors = context;

	(*errors)++;
	(void)say_refused("%s", message);
}

static void
json_limit(struct json *j, const char *key, uint64_t n)
{
	if (n == 0)
		json_null(j, key);
	else
		json_number(j, key, n);
}

static void
json_domain(struct json *j, const char *name, const struct domain *d)
{
	json_string(j, "domain", name);
	json_string(j, "deliver", "maildir");
	json_limit(j, "size", d->size);
	json_limit(j, "quota", d->quota);
	json_limit(j, "quota_messages", d->quota_messages);
	if (d->catchall[0] == '\0')
		json_null(j, "catchall");
	else
		json_string(j, "catchall", d->catchall);
}

static int
list(const struct admin *a, const struct rows *files)
{
	char name[LIMIT_NAME + 1];
	unsigned errors = 0;
	struct domain d;
	struct json j;

	json_start(&j, stdout);
	if (a->json)
		json_open(&j, NULL, '[');
	for (size_t i = 0; i < files->n; i++) {
		if (!domain_of_file(name, rows_get(files, i, 0)))
			continue;
		if (!a->json) {
			say("%s\n", name);
			continue;
		}
		if (conf_load_domain(&d, a->domains, name, tell_error, &errors) != 0)
			continue;
		json_open(&j, NULL, '{');
		json_domain(&j, name, &d);
		json_close(&j, '}');
	}
	if (a->json) {
		json_close(&j, ']');
		json_end(&j);
	}
	return errors == 0 ? DONE : REFUSED;
}

int
domain_list(struct admin *a)
{
	struct rows files;
	int r;

	if (tree_list(a->domains, &files) == 0)
		r = list(a, &files);
	else
		r = say_failed(errno, "%s", a->conf.domains);
	rows_free(&files);
	return r;
}

/* Columns: kind, name. */
static void
add_kind(int state, const struct box *b, struct rows *out)
{
	static struct forward f; /* 128 KiB: too much for a stack */
	bool forward;

	rows_add(out, box_look(state, b, &f, &forward) == BOX_ALIAS ? "alias" : "mailbox");
	rows_add(out, b->name);
}

static int
count_job(int state, void *arg, struct rows *out)
{
	return walk_boxes(state, arg, add_kind, out);
}

/* Counts the mailboxes and aliases of a domain. DONE or told. */
static int
count_boxes(struct admin *a, char *domain, uint64_t *mailboxes, uint64_t *aliases)
{
	struct rows rows;
	int r;

	*mailboxes = *aliases = 0;
	if (rows_start(&rows, 2) == -1)
		return say_failed(errno, "starting a list");
	r = owner_run(a->state, count_job, domain, &rows);
	if (r == DONE && rows_load(&rows) == -1)
		r = say_failed(errno, "reading a list");
	for (size_t i = 0; r == DONE && i < rows.n; i++)
		(*(rows_get(&rows, i, 0)[0] == 'a' ? aliases : mailboxes))++;
	rows_free(&rows);
	return r;
}

static void
show_text(const struct admin *a, const struct domain_name *n, const struct domain *d,
          uint64_t mailboxes, uint64_t aliases)
{
	say("domain     %s\n", n->name);
	say("file       %s/%s\n", a->conf.domains, n->file);
	say("deliver    maildir\n");
	say("size       %llu octets%s\n",
	    (unsigned long long)(d->size != 0 ? d->size : a->conf.size),
	    d->size != 0 ? "" : " (the global limit)");
	if (d->quota == 0 && d->quota_messages == 0)
		say("quota      none\n");
	else
		say("quota      %llu octets, %llu messages (0: no limit) per mailbox\n",
		    (unsigned long long)d->quota, (unsigned long long)d->quota_messages);
	say("catchall   %s\n", d->catchall[0] != '\0' ? d->catchall : "none");
	say("mailboxes  %llu\n", (unsigned long long)mailboxes);
	say("aliases    %llu\n", (unsigned long long)aliases);
}

/* Loads the file of a domain; DONE or told. */
static int
load(const struct admin *a, const struct domain_name *n, struct domain *d)
{
	unsigned errors = 0;

	errno = 0;
	switch (conf_load_domain(d, a->domains, n->name, tell_error, &errors)) {
	case 0:
		return DONE;
	case 1:
		return say_refused("%s is not served here: `postern domain list` shows what is",
		                   n->name);
	default:
		return errors > 0 ? REFUSED :
		                    say_failed(errno, "%s/%s", a->conf.domains, n->file);
	}
}

int
domain_show(struct admin *a)
{
	uint64_t mailboxes, aliases;
	struct domain_name n;
	struct domain d;
	struct json j;
	int r = parse_name(&n, a->args[0]);

	if (r == DONE)
		r = load(a, &n, &d);
	if (r == DONE)
		r = count_boxes(a, n.name, &mailboxes, &aliases);
	if (r != DONE)
		return r;
	if (!a->json) {
		show_text(a, &n, &d, mailboxes, aliases);
		return DONE;
	}
	json_start(&j, stdout);
	json_open(&j, NULL, '{');
	json_domain(&j, n.name, &d);
	json_number(&j, "mailboxes", mailboxes);
	json_number(&j, "aliases", aliases);
	json_close(&j, '}');
	json_end(&j);
	return DONE;
}

static int
unlink_job(int dir, void *arg, struct rows *out)
{
	struct domain_name *n = arg;

	(void)out;
	if (tree_unlink(dir, n->file) == -1)
		return say_failed(errno, "removing domains/%s", n->file);
	return DONE;
}

/* Takes the domain's directory away where it is empty; a full one stays. */
static int
rmdir_job(int dir, void *arg, struct rows *out)
{
	struct domain_name *n = arg;

	(void)out;
	if (unlinkat(dir, n->name, AT_REMOVEDIR) == 0 || errno == ENOENT ||
	    errno == ENOTEMPTY || errno == EEXIST)
		return DONE;
	return say_failed(errno, "removing the empty directory %s", n->name);
}

static int
remove_directory(const struct admin *a, const char *below, struct domain_name *n)
{
	int dir = owner_open(a, below);
	int r = dir != -1 ? owner_run(dir, rmdir_job, n, NULL) : REFUSED;

	tree_close(dir);
	return r;
}

int
domain_remove(struct admin *a)
{
	uint64_t mailboxes, aliases;
	struct domain_name n;
	int r = parse_name(&n, a->args[0]);

	if (r == DONE && faccessat(a->domains, n.file, F_OK, AT_SYMLINK_NOFOLLOW) == -1)
		r = say_refused("%s is not served here: `postern domain list` shows what is",
		                n.name);
	if (r == DONE)
		r = owner_lock(a->state);
	if (r == DONE)
		r = count_boxes(a, n.name, &mailboxes, &aliases);
	if (r != DONE)
		return r;
	if (mailboxes + aliases > 0 && !a->force)
		return say_refused("%s has %llu mailboxes and %llu aliases: remove them first "
		                   "(`postern user list %s`), or give --force to stop serving "
		                   "the domain and leave them on disk", n.name,
		                   (unsigned long long)mailboxes, (unsigned long long)aliases,
		                   n.name);
	r = owner_run(a->domains, unlink_job, &n, NULL);
	if (r != DONE)
		return r;
	say("No longer serving %s.\n", n.name);
	if (mailboxes + aliases > 0)
		say("%llu mailboxes and %llu aliases stay in %s/mail/%s, their passwords in "
		    "%s/auth/%s.\n", (unsigned long long)mailboxes,
		    (unsigned long long)aliases, a->conf.state, n.name, a->conf.state, n.name);
	r = remove_directory(a, "mail", &n);
	return r == DONE ? remove_directory(a, "auth", &n) : r;
}
