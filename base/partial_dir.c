/* See partial_dir.h. Called by keepers, flush's tidier, and `postern check`. */
#include "base/partial_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/name.h"
#include "base/text.h"

#define DIGITS "0123456789abcdef"

enum partial_kind
partial_kind(const char *name)
{
	size_t len = strlen(name);
	char kind;

	if (strspn(name, DIGITS) != PARTIAL_OWNER_KEY || name[PARTIAL_OWNER_KEY] != '-' ||
	    strspn(name + PARTIAL_OWNER_KEY + 1, DIGITS) != 32 || name[PARTIAL_KEY] != '.' ||
	    len >= PARTIAL_NAME || !name_is_plain(name))
		return PARTIAL_STRAY;
	if (strcmp(name + PARTIAL_KEY, ".p") == 0)
		return PARTIAL_HEAD;
	if (len < PARTIAL_KEY + 4 || name[len - 2] != '.')
		return PARTIAL_STRAY;
	kind = name[len - 1];
	return kind == PARTIAL_DATA || kind == PARTIAL_ENVELOPE || kind == PARTIAL_NEXT ?
	       (enum partial_kind)kind : PARTIAL_STRAY;
}

void
partial_head_name(char head[PARTIAL_NAME], const char *name)
{
	memcpy(head, name, PARTIAL_KEY);
	memcpy(head + PARTIAL_KEY, ".p", 3);
}

static void
add(struct partial_sum *s, enum partial_kind kind, const struct stat *st)
{
	s->files += kind == PARTIAL_HEAD;
	s->messages += kind == PARTIAL_DATA;
	s->octets += (uint64_t)st->st_size;
}

int
partial_count(int dir, const char *owner, struct partial_sum *own, struct partial_sum *all)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd != -1 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	*own = *all = (struct partial_sum){ 0 };
	if (d == NULL) {
		if (fd != -1)
			(void)close(fd); /* only read */
		return -1;
	}
	while ((e = readdir(d)) != NULL) {
		enum partial_kind kind = partial_kind(e->d_name);
		struct stat st = { 0 };

		if (kind == PARTIAL_DATA && fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1)
			continue; /* done meanwhile */
		add(all, kind, &st);
		if (strncmp(e->d_name, owner, PARTIAL_OWNER_KEY) == 0)
			add(own, kind, &st);
	}
	(void)closedir(d);
	return 0;
}
