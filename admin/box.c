/*
 * See box.h. Only base/name.c turns addresses into names, so the administrator
 * and the keeper always mean the same directory.
 */
#include "admin/box.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin/say.h"
#include "admin/tree.h"
#include "base/name.h"

static void
ignore_report(void *context, const char *message)
{
	(void)context;
	(void)message;
}

bool
box_from_names(struct box *b, const char *domain, const char *name)
{
	char again[LIMIT_NAME + 1];
	struct address a;
	struct text t;

	if (!name_to_local(a.local, name) || !name_mailbox(again, a.local) ||
	    strcmp(again, name) != 0 || !name_domain(again, domain) ||
	    strcmp(again, domain) != 0)
		return false;
	(void)text_copy(a.domain, sizeof a.domain, domain);
	if (!is_address_safe(a.local, a.domain))
		return false;
	(void)text_copy(b->domain, sizeof b->domain, domain);
	(void)text_copy(b->name, sizeof b->name, name);
	mailbox_path(b->path, domain, name);
	text_init(&t, b->shown, sizeof b->shown);
	address_text(&t, &a);
	return text_ok(&t);
}

bool
box_from_address(struct box *b, const struct address *a)
{
	char domain[LIMIT_NAME + 1], name[LIMIT_NAME + 1];

	return name_domain(domain, a->domain) && name_mailbox(name, a->local) &&
	       box_from_names(b, domain, name);
}

int
box_parse(struct box *b, const char *typed)
{
	struct address a;

	if (strchr(typed, '@') == NULL)
		return say_misused("'%s' is no address: expected LOCAL@DOMAIN, such as "
		                   "alice@example.org", typed);
	if (!parse_address(typed, &a))
		return say_misused("'%s' is no valid address: expected LOCAL@DOMAIN, such as "
		                   "alice@example.org or '\"a b\"@example.org'", typed);
	if (!is_address_safe(a.local, a.domain) || !box_from_address(b, &a))
		return say_misused("'%s' cannot be a mailbox here: expected a local part of "
		                   "at most %d octets and a domain name", typed, LIMIT_LOCAL);
	if (strchr(a.local, '+') != NULL)
		return say_misused("'%s' has a +tag, and mail for any tag goes to %s: name that",
		                   typed, b->shown);
	return DONE;
}

bool
is_same_box(const struct box *a, const struct box *b)
{
	return strcmp(a->path, b->path) == 0;
}

int
box_served(const struct admin *a, const struct box *b)
{
	struct domain d;

	errno = 0;
	switch (conf_load_domain(&d, a->domains, b->domain, ignore_report, NULL)) {
	case 0:
		return DONE;
	case 1:
		return say_refused("%s is not served here: `postern domain add %s` first "
		                   "(`postern domain list` shows what is)", b->domain, b->domain);
	default:
		if (errno != 0)
			return say_failed(errno, "%s/%s.conf", a->conf.domains, b->domain);
		return say_refused("%s/%s.conf has errors: `postern check` shows them",
		                   a->conf.domains, b->domain);
	}
}

/* True where the forward file names its own mailbox; leaves f at its start. */
static bool
keeps_copy(const struct box *b, struct forward *f)
{
	struct address a;
	struct box other;
	enum forward_line line;
	bool keeps = false;

	while (!keeps && (line = forward_next(f, &a)) != FORWARD_END)
		keeps = line == FORWARD_ADDRESS && box_from_address(&other, &a) &&
		        is_same_box(b, &other);
	f->at = 0;
	f->line = 0;
	return keeps;
}

enum box_kind
box_look(int state, const struct box *b, struct forward *f, bool *forward)
{
	int fd = mailbox_open(state, b->path, "", O_PATH | O_DIRECTORY);

	*forward = false;
	if (fd == -1)
		return errno == ENOENT ? BOX_NONE : BOX_ERROR;
	tree_close(fd);
	switch (forward_open(f, state, b->path)) {
	case 0:
		*forward = true;
		return keeps_copy(b, f) ? BOX_MAILBOX : BOX_ALIAS;
	case 1:
		return BOX_MAILBOX;
	default:
		return BOX_ERROR;
	}
}

static unsigned long
folder_messages(int folder)
{
	return tree_count(folder, "new") + tree_count(folder, "cur");
}

unsigned long
box_messages(int state, const struct box *b)
{
	int maildir = mailbox_open(state, b->path, "/Maildir", O_RDONLY | O_DIRECTORY);
	unsigned long n;
	struct rows names;

	if (maildir == -1)
		return 0;
	n = folder_messages(maildir);
	if (tree_list(maildir, &names) == 0) {
		for (size_t i = 0; i < names.n; i++) {
			const char *name = rows_get(&names, i, 0);
			int folder = name[0] == '.' ? tree_open(maildir, name) : -1;

			if (folder != -1)
				n += folder_messages(folder);
			tree_close(folder);
		}
	}
	rows_free(&names);
	tree_close(maildir);
	return n;
}

int
box_open_domain(int state, const struct box *b, bool make)
{
	int mail = tree_open(state, "mail");
	int fd;

	if (mail == -1)
		return -1;
	fd = make ? tree_make(mail, b->domain, 0700) : tree_open(mail, b->domain);
	tree_close(mail);
	return fd;
}

const char *
box_problem(int err)
{
	switch (err) {
	case EXDEV:
		return "it is on another filesystem or mount, where a message cannot be linked";
	case ELOOP:
		return "it is a symbolic link";
	case ENOTDIR:
		return "it is no directory";
	case EFBIG:
		return "it is too large";
	default:
		return strerror(err);
	}
}
