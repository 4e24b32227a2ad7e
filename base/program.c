/* See program.h. */
#include "base/program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

bool
program_beside(char out[LIMIT_FILE], const char *name)
{
	ssize_t len = readlink("/proc/self/exe", out, LIMIT_FILE - 1);
	char *slash;

	if (len == -1)
		return false;
	/* Ours may have been replaced: then its name has a mark behind it, its folder has not. */
	out[len] = '\0';
	slash = strrchr(out, '/');
	errno = ENAMETOOLONG;
	return slash != NULL &&
	       text_copy(slash + 1, LIMIT_FILE - (size_t)(slash + 1 - out), name);
}

char **
program_env(struct program_env *e)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct text t;

	text_init(&t, e->journal, sizeof e->journal);
	text_add(&t, "JOURNAL_STREAM=");
	text_add(&t, stream != NULL ? stream : "");
	e->list[0] = stream != NULL && text_ok(&t) ? e->journal : NULL;
	e->list[1] = NULL;
	return e->list;
}
