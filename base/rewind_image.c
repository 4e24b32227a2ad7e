/*
 * The image of rewind.h: what of a process's memory children inherit and can write to, and
 * copies of it.
 */
#include "base/rewind_own.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int
rewind_open(void)
{
	return REWIND_IS_BUILT ? open("/proc/self/smaps", O_RDONLY | O_CLOEXEC) : -1;
}

#if REWIND_IS_BUILT

#define PAGE REWIND_PAGE
#define MAPPINGS 32
/* Zero pages between others: so few are not worth a region of their own. */
#define GAP 4
#define IMAGE_MAX ((size_t)64 << 20)

/* What children inherit and can write to. */
struct mappings {
	size_t n;
	struct {
		char *start;
		size_t pages;
		bool file; /* what is dropped is not zero, but the file's */
		bool wiped; /* a fork leaves zeros there, whatever the parent has */
		bool heap;
	} at[MAPPINGS];
};

/* Behind " rw-p 00000000 08:01 ". */
static unsigned long
read_inode(const char *s)
{
	for (int field = 0; field < 3; field++) {
		s += strspn(s, " ");
		s += strcspn(s, " ");
	}
	return strtoul(s, NULL, 10);
}

/* Lines of smaps (proc_pid_smaps(5)): where a mapping is, then its flags. */
static bool
find_mappings(FILE *maps, struct mappings *m)
{
	char line[4096 + 256]; /* a path, too */
	unsigned long start = 0, end = 0, inode = 0;
	bool heap = false;

	m->n = 0;
	while (fgets(line, sizeof line, maps) != NULL) {
		char *at;
		unsigned long from = strtoul(line, &at, 16);

		/* Other lines begin with a word, and a colon. */
		if (at > line && *at == '-') {
			start = from;
			end = strtoul(at + 1, &at, 16);
			inode = read_inode(at);
			heap = strstr(at, "[heap]") != NULL;
		}
		if (strncmp(line, "VmFlags:", 8) != 0 || strstr(line, " wr") == NULL ||
		    strstr(line, " dc") != NULL)
			continue;
		/*
		 * Shared ones are not ours alone, one that grows has no end, and a shadow stack is
		 * not written to as other memory is.
		 */
		if (m->n == MAPPINGS || strstr(line, " sh") != NULL || strstr(line, " gd") != NULL ||
		    strstr(line, " ss") != NULL)
			return false;
		m->at[m->n].start = (char *)start;
		m->at[m->n].file = inode != 0;
		/* Wiped on fork, or droppable: so libc keeps what its randomness is made of. */
		m->at[m->n].wiped = strstr(line, " wf") != NULL || strstr(line, " dp") != NULL;
		m->at[m->n].heap = heap;
		m->at[m->n++].pages = (end - start) / PAGE;
	}
	return m->n > 0 && ferror(maps) == 0;
}

static bool
is_zero(const char *page)
{
	static const char zero[PAGE];

	return memcmp(page, zero, PAGE) == 0;
}

static bool
is_hot(const struct rewind_hot *hot, const char *page)
{
	for (; hot != NULL && hot->size > 0; hot++)
		if (page + PAGE > hot->start && page < hot->start + hot->size)
			return true;
	return false;
}

/* Of the pages from p on, those that are to be treated alike; at least one. */
static size_t
count_alike(const struct rewind_hot *hot, const char *p, size_t pages, bool *copied)
{
	size_t n = 0, zero = 0;

	*copied = is_hot(hot, p) || !is_zero(p);
	for (; n < pages; n++, p += PAGE) {
		bool copy = is_hot(hot, p) || !is_zero(p);

		if (*copied) {
			zero = copy ? 0 : zero + 1;
			if (zero > GAP)
				return n + 1 - zero;
		} else if (copy) {
			return n;
		}
	}
	return n - (*copied ? zero : 0);
}

/* Splits mappings into regions; how many pages are to be copied. False: too many. */
static bool
find_regions(const struct mappings *m, const struct rewind_hot *hot, struct rewind_image *im,
             size_t *pages)
{
	*pages = 0;
	for (size_t i = 0; i < m->n; i++) {
		size_t left = m->at[i].pages;
		char *p = m->at[i].start;

		while (left > 0) {
			bool copied;
			size_t n = left;

			if (m->at[i].file || m->at[i].wiped)
				copied = !m->at[i].wiped;
			else
				n = count_alike(hot, p, left, &copied);

			if (im->n == REWIND_REGIONS)
				return false;
			/* The copy's place comes with the copy. */
			im->region[im->n++] = (struct rewind_region){ p, copied ? p : NULL, n,
				copied && m->at[i].heap };
			*pages += copied ? n : 0;
			p += n * PAGE;
			left -= n;
		}
	}
	return true;
}

static void
copy_regions(struct rewind_image *image)
{
	char *to = (char *)image + PAGE;

	for (size_t i = 0; i < image->n; i++) {
		struct rewind_region *r = &image->region[i];

		if (r->copy == NULL)
			continue;
		memcpy(to, r->start, r->pages * PAGE);
		r->copy = to;
		to += r->pages * PAGE;
	}
}

/* A file in memory of that size; -1: none. */
static int
open_memory(size_t size)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	if (fd != -1 && ftruncate(fd, (off_t)size) == 0)
		return fd;
	if (fd != -1)
		(void)close(fd);
	return -1;
}

/* In the place of what is there comes the same, by way of the image's file. */
static bool
share(const struct rewind_image *image, int fd)
{
	for (size_t i = 0; i < image->n; i++) {
		const struct rewind_region *r = &image->region[i];

		if (r->shares && mmap(r->start, r->pages * PAGE, PROT_READ | PROT_WRITE,
		                      MAP_PRIVATE | MAP_FIXED, fd,
		                      (off_t)(r->copy - (const char *)image)) == MAP_FAILED)
			return false;
	}
	return true;
}

static bool
copy_all(const struct mappings *m, const struct rewind_start_at *at,
         const struct rewind_image **to, char **scratch)
{
	struct rewind_image found = { .top = at->top, .run = at->run, .n = 0 };
	struct rewind_image *image;
	size_t pages, size;
	bool good;
	int fd;

	_Static_assert(sizeof found <= PAGE, "the copies begin at the second page");
	if (!find_regions(m, at->hot, &found, &pages) || pages * PAGE > IMAGE_MAX)
		return false;
	size = (1 + pages) * PAGE;
	*scratch = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fd = at->rests ? open_memory(size) : -1;
	for (size_t i = 0; fd == -1 && i < found.n; i++)
		found.region[i].shares = false;
	image = mmap(NULL, size, PROT_READ | PROT_WRITE,
	             MAP_SHARED | (fd == -1 ? MAP_ANONYMOUS : 0), fd, 0);
	*to = image;
	good = image != MAP_FAILED && *scratch != MAP_FAILED;
	if (good) {
		*image = found;
		copy_regions(image);
		good = mprotect(image, size, PROT_READ) == 0 && share(image, fd);
	}
	if (fd != -1)
		(void)close(fd);
	return good;
}

/*
 * Who drops pages of memory that is not a file's finds zeros, or what the image has, and all
 * of it is rewound.
 */
static bool
find_rooms(const struct mappings *m, struct sandbox_room rooms[SANDBOX_ROOMS + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++) {
		uintptr_t start = (uintptr_t)m->at[i].start;
		uintptr_t end = start + m->at[i].pages * PAGE;

		if (m->at[i].file)
			continue;
		if (n > 0 && rooms[n - 1].end == start)
			n--;
		else
			rooms[n].start = start;
		rooms[n].end = end;
		/* A filter compares halves of an address. */
		if (rooms[n].start >> 32 != end >> 32 || ++n > SANDBOX_ROOMS)
			return false;
	}
	rooms[n].end = 0;
	return true;
}

bool
rewind_make_image(int maps, const struct rewind_start_at *at,
                  struct sandbox_room rooms[SANDBOX_ROOMS + 1],
                  const struct rewind_image **image, char **scratch)
{
	FILE *f = fdopen(maps, "r");
	struct mappings m;
	bool good = f != NULL && find_mappings(f, &m);

	if (f != NULL)
		(void)fclose(f); /* only read */
	else
		(void)close(maps);
	return good && find_rooms(&m, rooms) && copy_all(&m, at, image, scratch);
}

#endif
