/*
 * See check.h. Each part runs as the owner of what it looks at and adds rows; here
 * they are put together, sorted and printed. Nothing is repaired.
 */
#include "admin/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/json.h"
#include "admin/owner.h"
#include "admin/say.h"
#include "admin/tls.h"
#include "admin/tree.h"
#include "admin/walk.h"
#include "base/sandbox.h"

void
finding(struct rows *out, const char *level, const char *where, const char *format, ...)
{
	char buf[4096];
	char *advice;
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(buf, sizeof buf, format, ap); /* names are short; a cut is no harm */
	va_end(ap);
	advice = strrchr(buf, ADVICE[0]);
	if (advice != NULL)
		*advice++ = '\0';
	rows_add(out, level);
	rows_add(out, where);
	rows_add(out, buf);
	rows_add(out, advice != NULL ? advice : "");
}

const char *
check_join(const char *dir, const char *name)
{
	static char paths[4][LIMIT_FILE + MAILBOX_PATH + 2 * LIMIT_NAME];
	static unsigned next;
	char *path = paths[next++ % 4];
	struct text t;

	text_init(&t, path, sizeof paths[0]);
	text_add(&t, dir);
	text_addc(&t, '/');
	text_add(&t, name);
	return path;
}

const char *
check_path(const struct admin *a, const char *below)
{
	return check_join(a->conf.state, below);
}

void
check_owner(struct rows *out, const char *where, const struct stat *st, uid_t uid,
            mode_t forbidden)
{
	char is[64], should[64];

	if (st->st_uid != uid)
		finding(out, CHECK_ERROR, where, "it belongs to %s, expected %s" ADVICE
		        "chown %u '%s'", owner_name(st->st_uid, is),
		        owner_name(uid, should), uid, where);
	if ((st->st_mode & forbidden) != 0)
		finding(out, (st->st_mode & forbidden & 022) != 0 || forbidden == 077 ?
		        CHECK_ERROR : CHECK_WARNING, where, "its mode is %04o, expected no more "
		        "than %04o" ADVICE "chmod %04o '%s'", st->st_mode & 07777,
		        (S_ISDIR(st->st_mode) ? 0777 : 0666) & ~forbidden,
		        st->st_mode & 07777 & ~forbidden, where);
}

bool
check_leftover(struct rows *out, const char *where, const char *name)
{
	if (strncmp(name, TREE_NEW, strlen(TREE_NEW)) != 0 &&
	    strncmp(name, TREE_OLD, strlen(TREE_OLD)) != 0)
		return false;
	finding(out, CHECK_WARNING, where, "left by a postern command that was interrupted"
	        ADVICE "look whether it holds mail you need (only " TREE_OLD "* can), then "
	        "remove it: rm -r '%s'", where);
	return true;
}

/* STATE for reading, or a finding. */
static bool
open_state(struct admin *a, struct stat *st, struct rows *out)
{
	const char *path = a->conf.state;
	char name[64];

	if (stat(path, st) == -1) {
		finding(out, CHECK_ERROR, path, "%s" ADVICE "set `state` in %s to the directory "
		        "that `postern init` made", strerror(errno), a->conf.file);
		return false;
	}
	if (sandbox_is_privileged() && (st->st_uid == 0 || st->st_gid == 0)) {
		finding(out, CHECK_ERROR, path, "it belongs to root or root's group, and smtpd "
		        "becomes its owner" ADVICE "give it to the user of the mail: chown "
		        "postern:postern '%s'", path);
		return false;
	}
	if (!sandbox_is_privileged() && st->st_uid != geteuid()) {
		finding(out, CHECK_ERROR, path, "it belongs to %s, so it was not looked at"
		        ADVICE "run `postern check` as that user, or as root",
		        owner_name(st->st_uid, name));
		return false;
	}
	a->state = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (a->state != -1)
		return true;
	finding(out, CHECK_ERROR, path, "%s" ADVICE "it must be a directory that its owner "
	        "may read", strerror(errno));
	return false;
}

/* Verifiers are looked at by their owner, and compared with the mailboxes by theirs. */
static int
check_passwords(struct admin *a, struct rows *out)
{
	struct rows verifiers;
	struct check_verifiers v = { a, &verifiers };
	struct stat st;
	int auth = tree_open(a->state, "auth");
	int r;

	if (auth == -1 || fstat(auth, &st) == -1 ||
	    (sandbox_is_privileged() ? st.st_uid == 0 : st.st_uid != geteuid())) {
		tree_close(auth); /* check_state has said so, where it is wrong */
		return DONE;
	}
	if (rows_start(&verifiers, WALK_VERIFIER_COLUMNS) == -1) {
		tree_close(auth);
		return say_failed(errno, "starting a list");
	}
	r = owner_run(auth, check_auth, a, out);
	if (r == DONE)
		r = owner_run(auth, walk_verifiers, NULL, &verifiers);
	if (r == DONE && rows_load(&verifiers) == -1)
		r = say_failed(errno, "reading a list");
	if (r == DONE)
		r = owner_run(a->state, check_lone_verifiers, &v, out);
	rows_free(&verifiers);
	tree_close(auth);
	return r;
}

static int
check_all(struct admin *a, struct rows *out)
{
	struct stat st;
	int r;

	check_kernel(out);
	if (!check_conf(a, out))
		return DONE; /* without it nothing else can be found */
	/*
	 * Others than root may not read the keys, and `tls check` is there for their owner. It warns,
	 * too: of certificates for trying out, which are no fault of the configuration.
	 */
	if (a->conf.tls && sandbox_is_privileged() &&
	    (r = tls_check_files(a, false, out)) != DONE)
		return r;
	if (a->dns && (r = check_dns(a, out)) != DONE)
		return r;
	if (!open_state(a, &st, out))
		return DONE;
	check_domains(a, st.st_uid, out);
	r = owner_run(a->state, check_state, a, out);
	if (r == DONE)
		r = owner_run(a->state, check_providers, a, out);
	if (r == DONE)
		r = owner_run(a->state, check_links, a, out);
	if (r == DONE)
		r = owner_run(a->state, check_mail, a, out);
	return r == DONE ? check_passwords(a, out) : r;
}

static void
print_text(const struct rows *r)
{
	for (size_t i = 0; i < r->n; i++) {
		say_safe(stdout, rows_get(r, i, FINDING_LEVEL));
		(void)fputs(": ", stdout); /* main looks at stdout's errors at the end */
		say_safe(stdout, rows_get(r, i, FINDING_WHERE));
		(void)fputs(": ", stdout);
		say_safe(stdout, rows_get(r, i, FINDING_PROBLEM));
		(void)fputs("\n  do: ", stdout);
		say_safe(stdout, rows_get(r, i, FINDING_ADVICE));
		(void)putc('\n', stdout);
	}
	if (r->n == 0)
		say("No findings.\n");
	else
		say("%zu finding%s.\n", r->n, r->n == 1 ? "" : "s");
}

static void
print_json(const struct rows *r)
{
	struct json j;

	json_start(&j, stdout);
	json_open(&j, NULL, '{');
	json_open(&j, "findings", '[');
	for (size_t i = 0; i < r->n; i++) {
		json_open(&j, NULL, '{');
		json_string(&j, "level", rows_get(r, i, FINDING_LEVEL));
		json_string(&j, "where", rows_get(r, i, FINDING_WHERE));
		json_string(&j, "problem", rows_get(r, i, FINDING_PROBLEM));
		json_string(&j, "do", rows_get(r, i, FINDING_ADVICE));
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
	json_end(&j);
}

int
check_print(const struct admin *a, struct rows *findings)
{
	if (rows_load(findings) == -1)
		return say_failed(errno, "reading a list");
	(a->json ? print_json : print_text)(findings);
	return findings->n == 0 ? DONE : REFUSED;
}

int
check_tree(struct admin *a)
{
	struct rows rows;
	int r;

	if (rows_start(&rows, FINDING_COLUMNS) == -1)
		return say_failed(errno, "starting a list");
	r = check_all(a, &rows);
	if (r == DONE)
		r = check_print(a, &rows);
	rows_free(&rows);
	return r;
}
