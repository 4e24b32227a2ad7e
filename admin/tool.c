/* See tool.h. */
#include "admin/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/admin.h"
#include "admin/say.h"

void
tool_path(char path[PATH_MAX], const char *name)
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - strlen(name) - 1);
	char *slash;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	memcpy(slash != NULL ? slash + 1 : path, name, strlen(name) + 1);
}

bool
tool_exists(const char *name)
{
	char path[PATH_MAX];

	tool_path(path, name);
	return access(path, X_OK) == 0;
}

static noreturn void
be_tool(const char *path, const char *const *argv, int in, int out)
{
	if (in == -1)
		in = open("/dev/null", O_RDONLY);
	if (in != -1 && dup2(in, 0) != -1 && dup2(out, 1) != -1)
		(void)execv(path, (char *const *)(unsigned long)argv);
	_exit(127);
}

/* All of it; false with errno. */
static bool
read_all(struct tool *t, int fd)
{
	ssize_t n = 1;

	while (n > 0 && t->len < TOOL_OUTPUT) {
		n = read(fd, t->buf + t->len, TOOL_OUTPUT - t->len);
		t->len += n > 0 ? (size_t)n : 0;
	}
	t->buf[t->len] = '\0';
	if (n > 0)
		errno = EFBIG;
	return n == 0;
}

int
tool_run(struct tool *t, const char *name, const char *const *argv, int in)
{
	char path[PATH_MAX];
	int out[2], status, r = DONE;
	pid_t pid;

	memset(t, 0, sizeof *t);
	t->code = -1;
	tool_path(path, name);
	if (access(path, X_OK) == -1)
		return say_failed(errno, "the program %s", path);
	t->buf = malloc(TOOL_OUTPUT + 1);
	if (t->buf == NULL || pipe2(out, O_CLOEXEC) == -1)
		return say_failed(errno, "starting %s", path);
	pid = fork();
	if (pid == 0)
		be_tool(path, argv, in, out[1]);
	(void)close(out[1]); /* the program's */
	if (pid == -1 || !read_all(t, out[0]))
		r = say_failed(errno, "running %s", path);
	(void)close(out[0]); /* read to its end, or given up */
	if (pid != -1 && waitpid(pid, &status, 0) == pid && WIFEXITED(status))
		t->code = WEXITSTATUS(status);
	if (r == DONE && (t->code == -1 || t->code == 127))
		r = say_refused("%s does not run", path);
	return r;
}

bool
tool_next(struct tool *t, const char **key, const char **value)
{
	char *line = t->buf + t->at;
	char *end = memchr(line, '\n', t->len - t->at);
	char *tab;

	if (end == NULL)
		return false;
	t->at = (size_t)(end - t->buf) + 1;
	*end = '\0';
	tab = strchr(line, '\t');
	*key = tab != NULL ? line : NULL;
	*value = tab != NULL ? tab + 1 : "";
	if (tab != NULL)
		*tab = '\0';
	return true;
}

/* Lines of the record at hand that tool_next() has not cut yet. */
const char *
tool_find(const struct tool *t, const char *key)
{
	static char values[4][1024];
	static unsigned next;
	const char *line = t->buf + t->at;
	size_t len = strlen(key);

	while (*line != '\n' && *line != '\0') {
		const char *end = strchr(line, '\n');
		size_t n;

		if (end == NULL)
			break;
		n = (size_t)(end - line);
		if (n > len && memcmp(line, key, len) == 0 && line[len] == '\t') {
			char *out = values[next++ % 4];

			n -= len + 1;
			n = n < sizeof values[0] ? n : sizeof values[0] - 1;
			memcpy(out, line + len + 1, n);
			out[n] = '\0';
			return out;
		}
		line = end + 1;
	}
	return "";
}

bool
tool_skip(struct tool *t)
{
	const char *key, *value;

	while (tool_next(t, &key, &value))
		if (key == NULL)
			break;
	return t->at < t->len;
}

void
tool_free(struct tool *t)
{
	free(t->buf);
	memset(t, 0, sizeof *t);
}
