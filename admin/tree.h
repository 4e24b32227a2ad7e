/*
 * Files and directories beneath a held directory. No function follows a symbolic
 * link, and every `name` is one path component. What is made is on disk, whole,
 * under its name when the function returns 0, and was never there half.
 */
#ifndef ADMIN_TREE_H
#define ADMIN_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "admin/rows.h"

/* First octets of the temporary names; no mailbox and no domain begins with a dot. */
#define TREE_NEW ".new."
#define TREE_OLD ".old."

/* A directory for reading and for *at(): descriptor, or -1 with errno. */
int tree_open(int at, const char *name);

/* tree_open, after making it with this mode where it is missing. */
int tree_make(int at, const char *name, mode_t mode);

/*
 * Writes a whole file. replace: any older one is gone at once; otherwise one that
 * is there already is EEXIST. The mode is set whatever the umask. 0 or -1.
 */
int tree_write(int at, const char *name, const char *data, size_t len, mode_t mode,
               bool replace);

/*
 * Makes directory `name` holding one file, appearing together. EEXIST where the
 * name is taken. 0 or -1.
 */
int tree_make_with_file(int at, const char *name, const char *file, const char *data,
                        size_t len);

/* Reads a whole regular file of at most cap - 1 octets (EFBIG); NUL-ends it. */
ssize_t tree_read(int at, const char *name, char *buf, size_t cap);

/* Takes a name away and syncs the directory. 0 or -1. */
int tree_unlink(int at, const char *name);

/* Gives a directory a temporary name, from which tree_move_back() returns it. */
int tree_move_away(int at, const char *name, char temporary[64]);
int tree_move_back(int at, const char *temporary, const char *name);

/* Removes a directory with all that is in it. 0 or -1 (what is left, is left). */
int tree_remove(int at, const char *name);

/* The entries of a directory but "." and "..", sorted, one column. 0 or -1. */
int tree_list(int dir, struct rows *names);

/* How many entries a directory has beneath `at`; 0 where it is missing. */
unsigned long tree_count(int at, const char *name);

/* Closes all but -1. */
void tree_close(int fd);

#endif
