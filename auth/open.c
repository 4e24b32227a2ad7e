/* See open.h. Nothing foreign has been read yet. */
#include "auth/open.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "auth/throttle.h"
#include "base/log.h"
#include "base/sandbox.h"

bool
open_conf(struct auth *auth, const char *file)
{
	static struct conf fresh; /* the old one stays where the new one has errors */

	if (conf_load(&fresh, file, log_message, NULL) > 0)
		return false;
	auth->conf = fresh;
	return true;
}

/* Whoever owns the verifiers is who we are. */
static int
become_owner(int dir)
{
	struct stat st;

	if (fstat(dir, &st) == -1)
		return -1;
	if (st.st_uid == 0 || st.st_gid == 0) {
		log_notice("verifiers must belong to a user without privilege "
		           "(usually postern-auth:postern-auth)");
		errno = EPERM;
		return -1;
	}
	return sandbox_become(st.st_uid, st.st_gid);
}

/* The key and the table belong to that owner also where we stay who we are. */
static int
make_as_owner(struct auth *auth)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(become_owner(auth->dir) == 0 && key_load(auth->dir, auth->key) == 0 &&
		      throttle_open(auth->dir, auth->key) == 0 ? 0 : 1);
	if (pid == -1 || waitpid(pid, &status, 0) != pid)
		return -1;
	errno = EPERM;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* Who may not enter auth/ can still run a foreign program; failures are counted in memory. */
static bool
can_do_without(const struct auth *auth)
{
	return auth->conf.auth[0] != '\0' && (errno == EACCES || errno == ENOENT);
}

static int
open_dir(struct auth *auth, const char *path)
{
	auth->dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (auth->dir == -1)
		return can_do_without(auth) ? 0 : -1;
	if (!sandbox_is_privileged())
		return 0;
	return auth->conf.auth[0] == '\0' ? become_owner(auth->dir) :
	                                    make_as_owner(auth);
}

int
open_state(struct auth *auth)
{
	char path[LIMIT_FILE + 8];
	struct text t;

	if (sodium_init() == -1) {
		log_error("libsodium", 0);
		return -1;
	}
	tzset(); /* for syslog's stamps: later the file can't be opened */
	text_init(&t, path, sizeof path);
	text_add(&t, auth->conf.state);
	text_add(&t, "/auth");
	if (open_dir(auth, path) == -1) {
		log_error(path, errno);
		return -1;
	}
	if (auth->dir == -1) {
		log_notice("STATE/auth can't be opened: failures are counted in memory");
		randombytes_buf(auth->key, sizeof auth->key);
	} else if (key_load(auth->dir, auth->key) == -1) {
		log_error("auth/" KEY_FILE, errno);
		return -1;
	}
	if (throttle_open(auth->dir, auth->key) == -1) {
		log_error("memory for counting failures", errno);
		return -1;
	}
	return 0;
}
