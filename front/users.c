/* See users.h. */
#include "front/users.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sandbox.h"

void
users_state_path(char out[USERS_PATH], const struct conf *c, const char *below)
{
	struct text t;

	/* conf_load() has seen to it that this fits. */
	text_init(&t, out, USERS_PATH);
	text_add(&t, c->state);
	text_add(&t, below);
}

const char *
users_session(const struct conf *c, struct user *u)
{
	char path[USERS_PATH];
	struct stat st;

	*u = (struct user){ 0, 0 };
	if (!sandbox_is_privileged())
		return NULL;
	*u = (struct user){ (uid_t)c->session_user, (gid_t)c->session_user };
	users_state_path(path, c, "/jail.owner");
	if (u->uid == 0 && lstat(path, &st) == 0)
		*u = (struct user){ st.st_uid, st.st_gid };
	errno = 0;
	return u->uid != 0 && u->gid != 0 ? NULL :
	       "started with privilege, but no session user: set session-user or give "
	       "STATE/jail.owner to one (not root)";
}

const char *
users_keeper(int state, struct user *u)
{
	bool privileged = sandbox_is_privileged();
	struct stat st;

	*u = (struct user){ 0, 0 };
	if (fstat(state, &st) == -1)
		return "stat STATE";
	errno = 0;
	if (privileged && (st.st_uid == 0 || st.st_gid == 0))
		return "STATE belongs to root; give it to a user of its own";
	if (!privileged && st.st_uid != geteuid())
		return "STATE belongs to somebody else; run as its owner or as root";
	if (privileged)
		*u = (struct user){ st.st_uid, st.st_gid };
	return NULL;
}

const char *
users_auth(const struct conf *c, struct user *u)
{
	char path[USERS_PATH];
	struct stat st;

	*u = (struct user){ 0, 0 };
	if (!sandbox_is_privileged())
		return NULL;
	users_state_path(path, c, "/auth");
	if (stat(path, &st) == -1)
		return "stat STATE/auth";
	errno = 0;
	if (st.st_uid == 0 || st.st_gid == 0)
		return "STATE/auth belongs to root; give it to a user of its own";
	*u = (struct user){ st.st_uid, st.st_gid };
	return NULL;
}

const char *
users_tls(const struct conf *c, ini_report *report, struct user *u)
{
	static struct conf fresh; /* the files may have changed since */
	static struct conf_tls files;
	struct stat st;

	*u = (struct user){ 0, 0 };
	if (!sandbox_is_privileged())
		return NULL;
	errno = 0;
	if (conf_load_tls(&fresh, &files, c->file, report, NULL) != 0)
		return "the configuration has errors: postern check lists them";
	if (files.n == 0 || stat(files.at[0].key[0], &st) == -1)
		return "stat tls-key";
	*u = (struct user){ st.st_uid, st.st_gid };
	return NULL;
}
