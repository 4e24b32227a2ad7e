/*
 * The files beneath domains/, all of them: for what is asked of no domain in particular.
 * Looking one domain up is conf_load_domain().
 */
#ifndef BASE_DOMAINS_H
#define BASE_DOMAINS_H

#include <dirent.h>
#include <stdbool.h>

#include "base/limits.h"

struct domains {
	DIR *dir;
	char name[LIMIT_NAME + 1]; /* of the domain domains_next() has found */
};

/* dir: domains/, as held. False: errno. */
bool domains_open(struct domains *d, int dir);

/* The next domain's name is in d->name. False: there is none left. */
bool domains_next(struct domains *d);

void domains_close(struct domains *d);

/*
 * Is there a line that begins with this key? Cheaper than reading the file for what it
 * says, and never wrong when it says no.
 */
bool domains_mention(int dir, const char *name, const char *key);

/* Has any domain one? */
bool domains_any_mention(int dir, const char *key);

/* Begins to watch the directory. A descriptor; -1 with errno: the host has no inotify(7) to spare. */
int domains_watch(const char *path);

/*
 * Has a file come, gone, or been written to since domains_watch() or the last true answer?
 * Never waits.
 */
bool domains_changed(int watch);

#endif
