/* The limits of partial/, by its directory: a scan for each new transaction of this kind. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper/partial.h"

struct sum {
	uint64_t files;    /* transactions, those that are only remembered among them */
	uint64_t messages; /* data files, and their octets */
	uint64_t octets;
};

static bool
has_suffix(const char *name, const char *suffix)
{
	size_t len = strlen(name), n = strlen(suffix);

	return len > n && strcmp(name + len - n, suffix) == 0;
}

static void
add(struct sum *s, const char *name, const struct stat *st)
{
	if (has_suffix(name, ".p"))
		s->files++;
	if (has_suffix(name, ".m")) {
		s->messages++;
		s->octets += (uint64_t)st->st_size;
	}
}

static void
scan(const struct partial *p, DIR *d, struct sum *own, struct sum *all)
{
	struct dirent *e;

	while ((e = readdir(d)) != NULL) {
		struct stat st = { 0 };

		if (has_suffix(e->d_name, ".m") &&
		    fstatat(p->dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1)
			continue; /* done meanwhile */
		add(all, e->d_name, &st);
		if (strncmp(e->d_name, p->key, PARTIAL_OWNER_KEY + 1) == 0)
			add(own, e->d_name, &st);
	}
}

static bool
fits(const struct sum *s, uint64_t size, uint64_t files, uint64_t messages, uint64_t octets)
{
	/* One message fits, however large, when there is no other. */
	return s->files < files && s->messages < messages &&
	       (s->messages == 0 || (s->octets < octets && size < octets - s->octets));
}

bool
partial_has_room(const struct partial *p, uint64_t size)
{
	int fd = openat(p->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd != -1 ? fdopendir(fd) : NULL;
	struct sum own = { 0 }, all = { 0 };

	if (d == NULL) {
		if (fd != -1)
			(void)close(fd); /* only read */
		return false;
	}
	scan(p, d, &own, &all);
	(void)closedir(d);
	return fits(&own, size, LIMIT_PARTIAL_OWN_FILES, LIMIT_PARTIAL_OWN,
	            LIMIT_PARTIAL_OWN_OCTETS) &&
	       fits(&all, size, LIMIT_PARTIAL_ALL_FILES, LIMIT_PARTIAL_ALL,
	            LIMIT_PARTIAL_ALL_OCTETS);
}
