/* See send.h. What a user types is the program send's to read, options and all. */
#include "admin/send.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "admin/say.h"
#include "admin/tool.h"

int
send_execute(char **argv)
{
	char path[PATH_MAX];

	tool_path(path, "send");
	(void)execv(path, argv);
	return say_failed(errno, "the program %s", path);
}

/* `postern --json send`: an option that is not its own, and before it. */
int
send_message(struct admin *a)
{
	(void)a;
	return say_misused("`send` comes first: postern send [OPTIONS] RCPT...");
}
