/* See owner.h. The only place of `postern` that changes its user. */
#include "admin/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "admin/say.h"
#include "admin/tree.h"
#include "base/sandbox.h"

const char *
owner_name(uid_t uid, char buf[64])
{
	const struct passwd *pw = getpwuid(uid);
	struct text t;

	text_init(&t, buf, 64);
	if (pw != NULL && text_copy(buf, 64, pw->pw_name))
		return buf;
	text_init(&t, buf, 64);
	text_add(&t, "uid ");
	text_addu(&t, uid);
	return buf;
}

/* The owner must be us, or somebody we can become, who is never root. */
static int
may_act(const char *path, const struct stat *st)
{
	char name[64];

	if (sandbox_is_privileged()) {
		if (st->st_uid != 0 && st->st_gid != 0)
			return DONE;
		return say_refused("%s belongs to root: mail must belong to a user and group "
		                   "without privilege, so chown it to those of the mail "
		                   "(usually postern:postern)", path);
	}
	if (st->st_uid == geteuid())
		return DONE;
	return say_refused("%s belongs to %s: run this as that user, or as root", path,
	                   owner_name(st->st_uid, name));
}

int
owner_open_state(struct admin *a)
{
	const char *path = a->conf.state;
	struct stat st;
	int r;

	if (stat(path, &st) == -1)
		return say_failed(errno, "%s (state in %s)", path, a->conf.file);
	r = may_act(path, &st);
	if (r != DONE)
		return r;
	/* The configured path itself may lead through links; beneath it none may. */
	a->state = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (a->state == -1)
		return say_failed(errno, "%s (state in %s)", path, a->conf.file);
	return DONE;
}

int
owner_open(const struct admin *a, const char *name)
{
	char path[LIMIT_FILE + LIMIT_NAME];
	struct stat st;
	struct text t;
	int dir = -1;

	text_init(&t, path, sizeof path);
	text_add(&t, a->conf.state);
	text_addc(&t, '/');
	text_add(&t, name);
	if (fstatat(a->state, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		(void)say_failed(errno, "%s", path);
	else if (may_act(path, &st) == DONE && (dir = tree_open(a->state, name)) == -1)
		(void)say_failed(errno, "%s", path);
	return dir;
}

static int
wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return say_failed(errno, "waiting for our own process");
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	if (WTERMSIG(status) == SIGPIPE)
		(void)raise(SIGPIPE); /* who read our answer has had enough of it */
	(void)say_refused("our own process ended by signal %d", WTERMSIG(status));
	return TEMPORARY;
}

static int
finish(int result, struct rows *out)
{
	if (out != NULL && rows_flush(out) == -1)
		return say_failed(errno, "collecting the answer");
	return result;
}

int
owner_run(int dir, owner_job *job, void *arg, struct rows *out)
{
	struct stat st;
	pid_t pid;

	if (fstat(dir, &st) == -1)
		return say_failed(errno, "looking for an owner");
	/* What belongs to root is configuration: STATE was looked at when it was opened. */
	if (!sandbox_is_privileged() || st.st_uid == 0)
		return finish(job(dir, arg, out), out);
	(void)fflush(stdout); /* or the child would print it again */
	if (out != NULL && rows_flush(out) == -1) /* the same */
		return say_failed(errno, "collecting the answer");
	pid = fork();
	if (pid == -1)
		return say_failed(errno, "starting a process");
	if (pid > 0)
		return wait_for(pid);
	if (sandbox_become(st.st_uid, st.st_gid) == -1)
		_exit(say_failed(errno, "becoming uid %u", st.st_uid));
	_exit(finish(job(dir, arg, out), out));
}

int
owner_lock(int dir)
{
	const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };

	for (int i = 0; i < 100; i++) {
		if (flock(dir, LOCK_EX | LOCK_NB) == 0)
			return DONE;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return say_failed(errno, "locking");
		(void)nanosleep(&pause, NULL); /* shorter when a signal comes: harmless */
	}
	(void)say_refused("another postern command is at work; try again when it is done");
	return TEMPORARY;
}
