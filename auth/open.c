/* See open.h. Nothing foreign has been read yet. */
#include "auth/open.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "auth/throttle.h"
#include "base/log.h"
#include "base/sandbox.h"

static void
log_conf(void *context, const char *message)
{
	(void)context;
	log_error(message, 0);
}

bool
open_conf(struct auth *auth, const char *file)
{
	static struct conf fresh; /* the old one stays where the new one has errors */

	if (conf_load(&fresh, file, log_conf, NULL) > 0)
		return false;
	auth->conf = fresh;
	return true;
}

/* Whoever owns the verifiers is who we are. */
static int
become_owner(int dir, const char *path)
{
	struct stat st;

	if (fstat(dir, &st) == -1)
		return -1;
	if (st.st_uid == 0 || st.st_gid == 0) {
		log_error(path, 0);
		log_notice("verifiers must belong to a user without privilege "
		           "(usually postern-auth:postern-auth)");
		errno = EPERM;
		return -1;
	}
	return sandbox_become(st.st_uid, st.st_gid);
}

int
open_state(struct auth *auth)
{
	char path[LIMIT_FILE + 8];
	bool foreign = auth->conf.auth[0] != '\0';
	struct text t;

	tzset(); /* for syslog's stamps: later the file can't be opened */
	text_init(&t, path, sizeof path);
	text_add(&t, auth->conf.state);
	text_add(&t, "/auth");
	auth->dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (auth->dir == -1) {
		log_error(path, errno);
		return -1;
	}
	if (sandbox_is_privileged() && !foreign && become_owner(auth->dir, path) == -1) {
		log_error("becoming the owner of the verifiers", errno);
		return -1;
	}
	if (key_load(auth->dir, auth->key) == -1) {
		log_error("auth/" KEY_FILE, errno);
		return -1;
	}
	if (throttle_open(auth->dir, auth->key) == -1) {
		log_error("memory for counting failures", errno);
		return -1;
	}
	return 0;
}
