/* See local.h. */
#include "spool/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sandbox.h"
#include "spool/ask.h"
#include "spool/inject.h"

void (*local_open_flush)(const struct conf *c, struct helper_door *flush);

static bool
fail(struct verdict *v, int code, const char *what, const char *of)
{
	verdict_set(v, code, "4.3.5", what, of);
	return false;
}

/* The first error of the configuration is what a caller hears. */
static void
note_error(void *context, const char *message)
{
	struct verdict *v = context;

	if (v->code != SPOOL_CONF)
		(void)fail(v, SPOOL_CONF, message, "");
}

const char *
local_file(const char *given)
{
	const char *file = given != NULL ? given : getenv("POSTERN_CONF");

	return file != NULL && file[0] != '\0' ? file : SYSCONFDIR "/postern/postern.conf";
}

bool
local_open(struct local *l, const char *file, struct verdict *v)
{
	struct stat st;

	v->code = SPOOL_DONE;
	l->uid = getuid();
	l->state = l->domains = l->tmp = -1;
	l->flush = (struct helper_door){ l->conf.flush_socket, -1 };
	if (conf_load(&l->conf, file, note_error, v) != 0)
		return false;
	l->direct = stat(l->conf.state, &st) == 0 &&
	            (sandbox_is_privileged() || st.st_uid == geteuid());
	if (l->direct || l->conf.spool_socket[0] != '\0')
		return true;
	return fail(v, SPOOL_STATE, "not the owner of the mail, and there is no socket to hand "
	            "it in ([sockets] spool)", l->conf.state);
}

static bool
enter(struct local *l)
{
	struct inject in = { .conf = &l->conf };
	struct stat st;

	/* Before anything is given up: flush needs it. */
	if (local_open_flush != NULL)
		local_open_flush(&l->conf, &l->flush);
	l->state = open(l->conf.state, O_PATH | O_DIRECTORY | O_CLOEXEC);
	l->domains = open(l->conf.domains, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (l->state == -1 || l->domains == -1 || fstat(l->state, &st) == -1)
		return false;
	in.state = l->state;
	in.domains = l->domains;
	if (sandbox_is_privileged()) {
		errno = EPERM; /* STATE belongs to root: nobody to become */
		if (st.st_uid == 0 || st.st_gid == 0 || sandbox_become(st.st_uid, st.st_gid) == -1)
			return false;
	}
	if (inject_confine(&in) == -1)
		return false;
	l->tmp = openat(l->state, "tmp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return l->tmp != -1;
}

bool
local_enter(struct local *l, struct verdict *v)
{
	if (!l->direct || enter(l))
		return true;
	verdict_set(v, SPOOL_STATE, "4.3.0", l->conf.state, strerror(errno));
	return false;
}

void
local_submit(struct local *l, int fd, const struct order *o, struct verdict *v)
{
	struct inject in = { .conf = &l->conf, .state = l->state, .domains = l->domains,
	                     .uid = l->uid, .flush = l->flush };

	if (l->direct)
		inject(&in, fd, o, v);
	else
		ask_submit(l->conf.spool_socket, fd, o, v);
}
