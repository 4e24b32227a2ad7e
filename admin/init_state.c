/* The part of `postern init` that makes STATE and gives its parts to their owners. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/init_plan.h"
#include "admin/owner.h"
#include "admin/say.h"
#include "admin/tree.h"
#include "base/num.h"
#include "base/sandbox.h"

/* A name or a number of the password file. DONE or told. */
static int
find_user(const char *name, const char *option, struct user_ids *ids)
{
	const struct passwd *pw = getpwnam(name);
	uint64_t n;

	if (pw == NULL && parse_u64(name, 65533, &n) && n > 0) {
		*ids = (struct user_ids){ (uid_t)n, (gid_t)n };
		return DONE;
	}
	if (pw == NULL)
		return say_refused("there is no user '%s': `systemd-sysusers` or `useradd "
		                   "--system --user-group %s` makes it, or name another one with "
		                   "%s (or run this as an ordinary user, for a tree of its own)",
		                   name, name, option);
	if (pw->pw_uid == 0 || pw->pw_gid == 0)
		return say_misused("%s %s is root or in root's group: expected a user without "
		                   "privilege", option, name);
	*ids = (struct user_ids){ pw->pw_uid, pw->pw_gid };
	return DONE;
}

static bool
is_taken(const struct plan *p, uid_t uid)
{
	return uid == p->keeper.uid || uid == p->session.uid;
}

/*
 * Whose the verifiers and the key are. Who has named an owner of the mail may have made
 * no other users: then the verifiers are his, and `init` and `check` say what that means.
 * The key is root's where it is nobody's: smtpd's tls can use it all the same.
 */
static int
find_helpers(struct plan *p)
{
	const struct admin *a = p->a;
	int r = DONE;

	p->auth = p->keeper;
	if (a->auth_user != NULL || a->owner == NULL || getpwnam("postern-auth") != NULL) {
		r = find_user(a->auth_user != NULL ? a->auth_user : "postern-auth",
		              "--auth-user", &p->auth);
		if (r == DONE && is_taken(p, p->auth.uid))
			r = say_misused("the passwords need a user of their own: expected one that is "
			                "neither the owner of the mail nor the session's");
	}
	if (r == DONE && (a->tls_user != NULL || getpwnam("postern-tls") != NULL)) {
		r = find_user(a->tls_user != NULL ? a->tls_user : "postern-tls", "--tls-user",
		              &p->tls);
		if (r == DONE && (is_taken(p, p->tls.uid) || p->tls.uid == p->auth.uid))
			r = say_misused("the key needs a user of its own: expected one that is neither "
			                "the owner of the mail, nor the session's, nor the passwords'");
	}
	return r;
}

int
plan_find_users(struct plan *p)
{
	const struct admin *a = p->a;
	int r;

	p->system = sandbox_is_privileged();
	if (!p->system) {
		if (a->owner != NULL || a->session_user != NULL || a->auth_user != NULL ||
		    a->tls_user != NULL)
			return say_misused("--owner, --session-user, --auth-user and --tls-user are for "
			                   "root: the tree of an ordinary user is all his own");
		return DONE;
	}
	r = find_user(a->owner != NULL ? a->owner : "postern", "--owner", &p->keeper);
	if (r == DONE)
		r = find_user(a->session_user != NULL ? a->session_user : "postern-session",
		              "--session-user", &p->session);
	if (r == DONE && p->keeper.uid == p->session.uid)
		return say_misused("the session needs a user of its own: expected one that is "
		                   "not the owner of the mail");
	return r == DONE ? find_helpers(p) : r;
}

/* A directory of STATE, made with owner and mode where it is missing. */
static int
make_part(const struct plan *p, int state, const char *name, mode_t mode,
          const struct user_ids *owner)
{
	struct stat st;
	int fd, r = DONE;

	if (fstatat(state, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return DONE; /* as it is: `postern check` looks at it */
	fd = tree_make(state, name, mode);
	if (fd == -1 || (p->system && fchown(fd, owner->uid, owner->gid) == -1))
		r = say_failed(errno, "making %s/%s", p->a->conf.state, name);
	tree_close(fd);
	return r;
}

/* Its owner tells a smtpd that was started as root whom the session becomes. */
static int
make_session_owner(const struct plan *p, int state)
{
	int fd, r = DONE;

	if (!p->system)
		return DONE;
	fd = openat(state, "jail.owner", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	            0400);
	if (fd == -1 && errno == EEXIST)
		return DONE;
	if (fd == -1 || fchown(fd, p->session.uid, p->session.gid) == -1 || fsync(fd) == -1 ||
	    fsync(state) == -1)
		r = say_failed(errno, "making %s/jail.owner", p->a->conf.state);
	tree_close(fd);
	return r;
}

int
plan_make_state(const struct plan *p)
{
	static const struct user_ids root = { 0, 0 };
	static const char *const own[] = { "mail", "tmp", "spool", "partial" };
	struct admin *a = p->a;
	bool made = mkdir(a->conf.state, 0700) == 0;
	int r = DONE;

	if (!made && errno != EEXIST)
		return say_failed(errno, "making %s", a->conf.state);
	a->state = open(a->conf.state, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (a->state == -1)
		return say_failed(errno, "%s", a->conf.state);
	for (unsigned i = 0; r == DONE && i < sizeof own / sizeof own[0]; i++)
		r = make_part(p, a->state, own[i], 0700, &p->keeper);
	if (r == DONE)
		r = make_part(p, a->state, "auth", 0700, &p->auth);
	if (r == DONE)
		r = make_part(p, a->state, "jail", 0555, &root);
	if (r == DONE)
		r = make_session_owner(p, a->state);
	/* Last: while it is root's, no other user can meddle with what is made in it. */
	if (r == DONE && made && p->system &&
	    (fchown(a->state, p->keeper.uid, p->keeper.gid) == -1 ||
	     fchmod(a->state, 0711) == -1 || fsync(a->state) == -1))
		r = say_failed(errno, "giving %s to its owner", a->conf.state);
	tree_close(a->state);
	a->state = -1;
	return r == DONE ? owner_open_state(a) : r;
}
