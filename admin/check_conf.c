/* The part of `postern check` that reads the configuration, as smtpd does. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/check.h"
#include "admin/domain.h"
#include "admin/owner.h"
#include "admin/tree.h"
#include "base/name.h"

struct report {
	struct rows *out;
	const char *file;
};

static void
add_error(void *context, const char *message)
{
	const struct report *r = context;

	finding(r->out, CHECK_ERROR, r->file, "%s" ADVICE "correct it; postern.conf(5) and "
	        "postern-domain(5) list every key", message);
}

bool
check_conf(struct admin *a, struct rows *out)
{
	struct report report = { out, a->file };

	if (conf_load(&a->conf, a->file, add_error, &report) != 0)
		return false;
	a->domains = open(a->conf.domains, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (a->domains != -1)
		return true;
	finding(out, CHECK_ERROR, a->conf.domains, "%s" ADVICE "make that directory; `postern "
	        "domain add NAME` then fills it", strerror(errno));
	return false;
}

/* Configuration may belong to root, or in a user's own tree to that user. */
static void
check_file(const char *where, const struct stat *st, uid_t state_owner, struct rows *out)
{
	uid_t expected = st->st_uid == state_owner ? state_owner : 0;

	check_owner(out, where, st, expected, 022);
}

static void
check_paths(const struct admin *a, uid_t state_owner, struct rows *out)
{
	char dir[LIMIT_FILE];
	const char *slash;
	struct stat st;
	struct text t;

	if (stat(a->conf.file, &st) == 0)
		check_file(a->conf.file, &st, state_owner, out);
	if (fstat(a->domains, &st) == 0)
		check_file(a->conf.domains, &st, state_owner, out);
	slash = strrchr(a->conf.file, '/');
	text_init(&t, dir, sizeof dir);
	if (slash == NULL)
		text_addc(&t, '.');
	else
		text_addn(&t, a->conf.file, (size_t)(slash - a->conf.file) + (slash == a->conf.file));
	if (stat(dir, &st) == 0)
		check_file(dir, &st, state_owner, out);
}

/* One entry of domains/. True for a domain's file. */
static bool
check_entry(const struct admin *a, uid_t state_owner, const char *file, struct rows *out)
{
	const char *where = check_join(a->conf.domains, file);
	struct report report = { out, where };
	char name[LIMIT_NAME + 1];
	struct domain d;
	struct stat st;

	if (check_leftover(out, where, file))
		return false;
	if (!domain_of_file(name, file)) {
		finding(out, CHECK_WARNING, where, "it is never read: no domain has that file "
		        "name" ADVICE "name it DOMAIN.conf, the domain in lower case and as "
		        "A-labels (xn--...), or move it away");
		return false;
	}
	if (fstatat(a->domains, file, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode)) {
		finding(out, CHECK_ERROR, where, "it is no regular file, so it cannot be read"
		        ADVICE "put the file itself there");
		return true;
	}
	check_file(where, &st, state_owner, out);
	errno = 0;
	if (conf_load_domain(&d, a->domains, name, add_error, &report) == -1 && errno != 0)
		finding(out, CHECK_ERROR, where, "%s" ADVICE "let the owner of STATE read it",
		        strerror(errno));
	return true;
}

void
check_domains(const struct admin *a, uid_t state_owner, struct rows *out)
{
	struct rows files;
	unsigned served = 0;

	check_paths(a, state_owner, out);
	if (tree_list(a->domains, &files) == -1)
		finding(out, CHECK_ERROR, a->conf.domains, "%s" ADVICE "let its owner read it",
		        strerror(errno));
	for (size_t i = 0; i < files.n; i++)
		served += check_entry(a, state_owner, rows_get(&files, i, 0), out);
	if (served == 0)
		finding(out, CHECK_WARNING, a->conf.domains, "no domain is served, so all mail is "
		        "refused" ADVICE "postern domain add NAME");
	rows_free(&files);
}
