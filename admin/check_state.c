/*
 * The part of `postern check` that looks at STATE's own directories: owners, modes,
 * what does not belong there, and whether a message can be made and linked.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "admin/box.h"
#include "admin/check.h"
#include "admin/tree.h"
#include "admin/walk.h"
#include "keeper/message.h"

enum part_owner { KEEPER, ANY_USER, JAILER };

static const struct part {
	const char *name;
	enum part_owner owner;
	mode_t mode;             /* as it is made */
	mode_t forbidden;        /* bits it must not have */
} parts[] = {
	{ "auth", ANY_USER, 0700, 077 },
	{ "mail", KEEPER, 0700, 027 },
	{ "tmp", KEEPER, 0700, 027 },
	{ "spool", KEEPER, 0700, 027 },
	{ "partial", KEEPER, 0700, 027 },
	{ "jail", JAILER, 0555, 0222 },
};

#define PARTS (sizeof parts / sizeof parts[0])

/* A tree with users of their own, as `init` makes it for root. */
static bool
is_system(int state, const struct admin *a, const struct stat *own)
{
	struct stat st;

	return a->conf.session_user != 0 ||
	       fstatat(state, "jail.owner", &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	       (fstatat(state, "jail", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == 0 &&
	        own->st_uid != 0);
}

static void
check_part(int state, const struct admin *a, const struct part *p, const struct stat *own,
           struct rows *out)
{
	const char *where = check_path(a, p->name);
	uid_t uid = own->st_uid;
	struct stat st;

	if (fstatat(state, p->name, &st, AT_SYMLINK_NOFOLLOW) == -1) {
		finding(out, CHECK_ERROR, where, "%s" ADVICE "install -d -m %04o -o %u '%s'",
		        strerror(errno), p->mode, p->owner == JAILER ? 0 : own->st_uid, where);
		return;
	}
	if (!S_ISDIR(st.st_mode)) {
		finding(out, CHECK_ERROR, where, "it is no directory" ADVICE "STATE is one "
		        "filesystem without links: put the directory itself there");
		return;
	}
	if (p->owner == ANY_USER && st.st_uid != 0)
		uid = st.st_uid;
	if (p->owner == ANY_USER && uid == own->st_uid && is_system(state, a, own))
		finding(out, CHECK_WARNING, where, "it belongs to the owner of the mail, so a keeper "
		        "that is taken over could read the passwords' verifiers" ADVICE "give it a "
		        "user of its own: chown -R postern-auth:postern-auth '%s'", where);
	if (p->owner == JAILER && is_system(state, a, own))
		uid = 0;
	check_owner(out, where, &st, uid, p->forbidden);
	if (p->owner == JAILER && tree_count(state, p->name) > 0)
		finding(out, CHECK_ERROR, where, "it is not empty, and it is all that a session "
		        "that is taken over could see" ADVICE "take everything out of it");
}

/* Whom the session becomes; only where smtpd is started with privilege. */
static void
check_session_user(int state, const struct admin *a, const struct stat *own,
                   struct rows *out)
{
	const char *where = check_path(a, "jail.owner");
	uid_t uid = (uid_t)a->conf.session_user;
	struct stat st;

	if (!is_system(state, a, own))
		return;
	if (uid == 0) {
		if (fstatat(state, "jail.owner", &st, AT_SYMLINK_NOFOLLOW) == -1) {
			finding(out, CHECK_ERROR, where, "%s, and session-user is not set: a smtpd "
			        "that is started as root serves nobody" ADVICE "make an empty file "
			        "there that belongs to the session's user, mode 0400",
			        strerror(errno));
			return;
		}
		uid = st.st_uid;
		if (st.st_gid == 0)
			uid = 0;
	} else {
		where = a->conf.file;
	}
	if (uid == 0 || uid == own->st_uid)
		finding(out, CHECK_ERROR, where, "the session's user is %s" ADVICE "give the "
		        "session a user and group of its own, such as postern-session",
		        uid == 0 ? "root, or in root's group" : "the owner of the mail");
}

static void
check_foreign(int state, const struct admin *a, struct rows *out)
{
	struct rows names;

	if (tree_list(state, &names) == -1)
		finding(out, CHECK_ERROR, a->conf.state, "%s" ADVICE "let its owner read it",
		        strerror(errno));
	for (size_t i = 0; i < names.n; i++) {
		const char *name = rows_get(&names, i, 0);
		size_t k = 0;

		while (k < PARTS && strcmp(parts[k].name, name) != 0)
			k++;
		/* sts is made with the first policy that is kept (relay/route.c). */
		if (k == PARTS && strcmp(name, "jail.owner") != 0 && strcmp(name, "sts") != 0 &&
		    strcmp(name, "reports") != 0 &&
		    !check_leftover(out, check_path(a, name), name))
			finding(out, CHECK_WARNING, check_path(a, name), "Postern has nothing of "
			        "that name" ADVICE "move it away");
	}
	rows_free(&names);
}

/* Files of crashed processes; a keeper removes them sooner or later. */
static void
check_tmp(int state, const struct admin *a, struct rows *out)
{
	time_t before = time(NULL) - LIMIT_TMP_AGE;
	int tmp = tree_open(state, "tmp");
	struct rows names;
	struct stat st;

	if (tmp == -1)
		return; /* check_part() has said so */
	if (tree_list(tmp, &names) == -1)
		finding(out, CHECK_ERROR, check_path(a, "tmp"), "%s" ADVICE "let its owner read "
		        "it", strerror(errno));
	for (size_t i = 0; i < names.n; i++) {
		const char *name = rows_get(&names, i, 0);
		const char *where = check_join(check_path(a, "tmp"), name);

		if (fstatat(tmp, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
			continue; /* done meanwhile */
		if (!S_ISREG(st.st_mode))
			finding(out, CHECK_WARNING, where, "it is no file, and only messages being "
			        "written belong here" ADVICE "move it away");
		else if (st.st_mtime < before)
			finding(out, CHECK_WARNING, where, "untouched for more than %d hours: left "
			        "by a process that crashed, its message was never acknowledged"
			        ADVICE "remove it: rm '%s' (smtpd would in time)",
			        LIMIT_TMP_AGE / 3600, where);
	}
	rows_free(&names);
	tree_close(tmp);
}

int
check_state(int state, void *arg, struct rows *out)
{
	const struct admin *a = arg;
	struct stat st;

	if (fstat(state, &st) == -1)
		return DONE;
	check_owner(out, a->conf.state, &st, st.st_uid, 022);
	for (size_t i = 0; i < PARTS; i++)
		check_part(state, a, &parts[i], &st, out);
	check_session_user(state, a, &st, out);
	check_foreign(state, a, out);
	check_tmp(state, a, out);
	check_partial(state, a, &st, out);
	if (access(a->conf.file, R_OK) == -1)
		finding(out, CHECK_ERROR, a->conf.file, "the owner of STATE cannot read it: %s"
		        ADVICE "chmod it 0644, and the directories above it 0755",
		        strerror(errno));
	return DONE;
}

/* A row for each mailbox; the first one is enough. */
static void
add_path(int state, const struct box *b, struct rows *out)
{
	(void)state;
	rows_add(out, b->path);
}

static int
open_destination(int state, struct rows *boxes, const char **name)
{
	int fd = -1;

	*name = "mail";
	if (rows_start(boxes, 1) == 0 && walk_boxes(state, NULL, add_path, boxes) == DONE &&
	    rows_load(boxes) == 0)
		for (size_t i = 0; fd == -1 && i < boxes->n; i++) {
			*name = rows_get(boxes, i, 0);
			fd = mailbox_open(state, *name, "", O_RDONLY | O_DIRECTORY);
		}
	if (fd == -1) {
		*name = "mail";
		fd = tree_open(state, "mail");
	}
	return fd;
}

/* Makes, seals, syncs and links a message with the keeper's own functions. */
static void
try_message(const struct admin *a, int tmp, int to, const char *name, struct rows *out)
{
	static const char link[] = TREE_NEW "check";
	const char *where = check_path(a, "tmp");
	struct message m;
	uint64_t size;

	if (message_create(&m, tmp, "postern-check") == -1) {
		finding(out, CHECK_ERROR, where, "no file can be made here: %s" ADVICE "see that "
		        "its owner may write to it and that the disk has room", strerror(errno));
		return;
	}
	if (m.name[0] != '\0')
		finding(out, CHECK_WARNING, where, "this filesystem has no O_TMPFILE, or /proc is "
		        "missing: a message being written has a name, which a crash leaves behind"
		        ADVICE "nothing has to be done; ext4, XFS, Btrfs and tmpfs have it");
	if (message_seal(&m, &size) == -1)
		finding(out, CHECK_ERROR, where, "no read lease can be had on a file (%s), so no "
		        "message can be finished" ADVICE "put STATE on a local filesystem, with "
		        "/proc/sys/fs/leases-enable set to 1", strerror(errno));
	(void)unlinkat(to, link, 0); /* of a check that was interrupted */
	if (message_sync(&m) == -1 || message_link(&m, to, link) == -1)
		finding(out, CHECK_ERROR, check_path(a, name), "a message in tmp/ cannot be "
		        "linked here: %s" ADVICE "STATE must be one filesystem under one mount, "
		        "and one ReadWritePaths= of a unit", strerror(errno));
	(void)unlinkat(to, link, 0); /* not there, if it could not be made */
	message_discard(&m);
}

int
check_links(int state, void *arg, struct rows *out)
{
	const struct admin *a = arg;
	struct rows boxes = { 0 };
	const char *name;
	int fd = mailbox_open(state, "tmp", "", O_RDONLY | O_DIRECTORY);
	int to;

	if (fd == -1 && errno == ENOSYS)
		finding(out, CHECK_ERROR, "kernel", "openat2(2) is missing, so no mailbox can be "
		        "opened" ADVICE "boot Linux 5.6 or later, or allow the call where a "
		        "container forbids it");
	else if (fd == -1)
		finding(out, CHECK_ERROR, check_path(a, "tmp"), "%s" ADVICE "put the directory "
		        "itself there, on the filesystem of STATE", box_problem(errno));
	to = open_destination(state, &boxes, &name);
	if (fd != -1 && to != -1)
		try_message(a, fd, to, name, out);
	rows_free(&boxes);
	tree_close(to);
	tree_close(fd);
	return DONE;
}
