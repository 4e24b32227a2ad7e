/* The programs that are installed beside this one, and what they are started with. */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

#include <stdbool.h>

#include "base/limits.h"

/* The path of one of them; false with errno. */
bool program_beside(char out[LIMIT_FILE], const char *name);

struct program_env {
	char journal[80];
	char *list[2];
};

/* An environment for execve(2) that tells the log's place, and nothing else. */
char **program_env(struct program_env *e);

#endif
