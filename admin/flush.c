/* postern flush: asks flush(8) through its socket, or runs it here and now. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/queue.h"
#include "admin/say.h"
#include "admin/tool.h"
#include "base/helper.h"
#include "base/name.h"
#include "base/text.h"

/* In our place, so that its words and its exit code are ours. */
static int
become_flush(const struct admin *a, const char *what)
{
	char path[PATH_MAX], name[] = "flush", option[] = "-c", file[LIMIT_FILE],
	     operand[LIMIT_NAME + 8];
	char *argv[] = { name, option, file, operand, NULL };

	tool_path(path, name);
	if (!text_copy(file, sizeof file, a->file) ||
	    !text_copy(operand, sizeof operand, what))
		return say_refused("a path is too long");
	if (fflush(stdout) == EOF)
		return say_failed(errno, "writing the answer");
	(void)execv(path, argv);
	return say_failed(errno, "the program %s", path);
}

int
flush_queue(struct admin *a)
{
	struct helper_door door = { a->conf.flush_socket, -1 };
	char domain[LIMIT_NAME + 1], word[LIMIT_NAME + 8];
	struct stat st;
	struct text t;

	if (a->n_args == 0)
		return become_flush(a, "--all");
	if (!name_queue(domain, a->args[0]))
		return say_misused("'%s' is no domain name: expected one such as example.org",
		                   a->args[0]);
	if (door.path[0] == '\0' || stat(door.path, &st) == -1 || !S_ISSOCK(st.st_mode) ||
	    access(door.path, W_OK) == -1)
		return become_flush(a, domain);
	/* By name: a domain on hold, too. */
	text_init(&t, word, sizeof word);
	text_add(&t, domain);
	text_add(&t, " name");
	helper_tell(&door, word);
	say("flush has been asked to send to %s; `postern queue list --domain %s` shows what is "
	    "left\n", domain, domain);
	return DONE;
}
