/*
 * Programs of Postern that do what `postern` does not: `tls` knows certificates, and
 * linking its library would make every command three times as slow to start. They print
 * records of lines "KEY<TAB>VALUE", each record followed by an empty line.
 */
#ifndef ADMIN_TOOL_H
#define ADMIN_TOOL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define TOOL_OUTPUT (256 * 1024)

struct tool {
	char *buf; /* what it printed; tool_free() */
	size_t len, at;
	int code;  /* its exit code, or -1 */
};

/* The path of a program that stands beside this one. */
void tool_path(char path[PATH_MAX], const char *name);

/* True when it is there and may be run. */
bool tool_exists(const char *name);

/*
 * Runs `name` with argv[1] and so on, fd in as its standard input, -1 for none; its
 * standard error is ours. DONE when it has run, whatever its code; otherwise told.
 */
int tool_run(struct tool *t, const char *name, const char *const *argv, int in);

/* The next line: *key is NULL at the end of a record. False: there is no more. */
bool tool_next(struct tool *t, const char **key, const char **value);

/* The value of a key in the record at hand, which stays at hand; "" where it is not. */
const char *tool_find(const struct tool *t, const char *key);

/* Goes behind the record at hand; false: that was the last. */
bool tool_skip(struct tool *t);

void tool_free(struct tool *t);

#endif
