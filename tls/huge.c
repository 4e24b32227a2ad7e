/* See huge.h. */
#include "tls/huge.h"

#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define HUGE ((uintptr_t)2 << 20)
/* Less than that is not worth a page. */
#define WORTH (HUGE / 4)

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

/* Room for len octets, a multiple of HUGE, aligned to it; NULL: none. */
static char *
find_room(size_t len)
{
	char *room = mmap(NULL, len + HUGE, PROT_READ | PROT_WRITE,
	                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before = -(uintptr_t)room & (HUGE - 1);

	if (room == MAP_FAILED)
		return NULL;
	if (before > 0)
		(void)munmap(room, before); /* ours: cannot fail */
	(void)munmap(room + before + len, HUGE - before);
	return room + before;
}

/*
 * Puts a copy in the place of what is there, by one system call, since the code that makes
 * the call is part of it. It is never writable and executable at once.
 */
static void
move(char *at, size_t len, int prot)
{
	size_t whole = (len + HUGE - 1) & ~(size_t)(HUGE - 1);
	char *copy = find_room(whole);

	if (copy == NULL)
		return;
	if (madvise(copy, whole, MADV_HUGEPAGE) == 0) {
		memcpy(copy, at, len);
		__builtin___clear_cache(copy, copy + len);
		if (mprotect(copy, whole, prot) == 0 &&
		    mremap(copy, whole, whole, MREMAP_MAYMOVE | MREMAP_FIXED, at) != MAP_FAILED)
			return;
	}
	(void)munmap(copy, whole);
}

/* dl_iterate_phdr(3) calls it for the program first; other objects are not asked for. */
static int
move_segments(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)size;
	(void)unused;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t at = info->dlpi_addr + p->p_vaddr;

		/* By their alignment the next segment begins behind the last huge page. */
		if (p->p_type == PT_LOAD && (p->p_flags & PF_W) == 0 && p->p_memsz >= WORTH &&
		    p->p_align >= HUGE && (at & (HUGE - 1)) == 0)
			move((char *)at, p->p_memsz,
			     PROT_READ | ((p->p_flags & PF_X) != 0 ? PROT_EXEC : 0));
	}
	return 1;
}

void
huge_start(void)
{
	(void)dl_iterate_phdr(move_segments, NULL); /* returns our 1 */
	(void)prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0); /* an older kernel: EINVAL */
}
