/*
 * See rewind.h. The part that runs in the child before its memory is its own again
 * (restore()) trusts its registers, its text, and the image: no libc, no static data, no
 * canary.
 */
#include "base/rewind.h"

#include <fcntl.h>
#include <unistd.h>

#if defined __x86_64__ && !defined __SANITIZE_ADDRESS__

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "base/gate.h"

#define PAGE ((size_t)4096)
#define MAPPINGS 32
#define REGIONS 160
/* Zero pages between others: so few are not worth a region of their own. */
#define GAP 4
#define IMAGE_MAX ((size_t)64 << 20)
#define SCRATCH_STACK PAGE
/* AVX-512 takes 2.7 KiB of it, AMX 11. */
#define VECTORS_MAX ((size_t)16 << 10)
#define TRAP_FLAGS 0x500UL /* TF and DF */

struct region {
	char *start;
	const char *copy; /* NULL: all zero, and rarely written to: dropped */
	size_t pages;
};

/* Shared and read-only; the copies follow. */
struct image {
	char *top;
	void (*run)(void);
	size_t n;
	struct region region[REGIONS];
};

/* What children inherit and can write to. */
struct mappings {
	size_t n;
	struct {
		char *start;
		size_t pages;
	} at[MAPPINGS];
};

/* What the ancestor gives to a child that starts over. In no child's memory. */
static struct registers {
	bool known;
	struct user_regs_struct general;
	size_t vectors_size;
	_Alignas(64) char vectors[VECTORS_MAX];
} *registers;

static struct image *image;
static char *scratch; /* of restore(): its stack, which is in no region */

/* -- in the child ------------------------------------------------------------------- */

static __attribute__((noinline, no_stack_protector)) bool
differs(const uint64_t *a, const uint64_t *b)
{
	uint64_t any = 0;

	for (size_t i = 0; i < PAGE / sizeof *a; i++)
		any |= a[i] ^ b[i];
	return any != 0;
}

static __attribute__((no_stack_protector)) void
copy_page(char *to, const char *from)
{
	size_t words = PAGE / sizeof(uint64_t);

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}

static __attribute__((no_stack_protector)) void
copy_different(const struct region *r)
{
	for (size_t at = 0; at < r->pages * PAGE; at += PAGE)
		if (differs((const uint64_t *)(const void *)(r->start + at),
		            (const uint64_t *)(const void *)(r->copy + at)))
			copy_page(r->start + at, r->copy + at);
}

/* madvise(2), MADV_DONTNEED: they are zero again when they are next touched. */
static __attribute__((no_stack_protector)) void
drop(const struct region *r)
{
	long result = SYS_madvise;

	__asm__ volatile("syscall"
	                 : "+a"(result)
	                 : "D"(r->start), "S"(r->pages * PAGE), "d"((long)MADV_DONTNEED)
	                 : "rcx", "r11", "memory", "cc");
	if (result != 0)
		__builtin_trap(); /* nothing that is not as it was may go on */
}

/* Entered with registers that the ancestor has set, at the top of the scratch stack. */
static __attribute__((noreturn, no_stack_protector)) void
restore(const struct image *im)
{
	for (size_t i = 0; i < im->n; i++) {
		if (im->region[i].copy != NULL)
			copy_different(&im->region[i]);
		else
			drop(&im->region[i]);
	}
	__asm__ volatile("movq %[top], %%rsp\n\t"
	                 "xorl %%ebp, %%ebp\n\t"
	                 "call *%[run]\n\t"
	                 "xorl %%edi, %%edi\n\t"
	                 "movl %[exit], %%eax\n\t"
	                 "syscall\n\t"
	                 "hlt"
	                 : : [top] "r"(im->top), [run] "r"(im->run), [exit] "i"(SYS_exit_group)
	                 : "memory");
	__builtin_unreachable();
}

void
rewind_clean(void)
{
	memset(scratch, 0, SCRATCH_STACK);
}

/* Where nobody traces any more this is its end, by SIGTRAP. */
void
rewind_wait(void)
{
	__asm__ volatile("int3");
}

void
rewind_begin(void)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0)
		rewind_wait();
}

/* -- in the ancestor ---------------------------------------------------------------- */

static long
get(pid_t pid, unsigned long what, void *to, size_t *size)
{
	struct iovec iov = { to, *size };
	long r = gate_trace(PTRACE_GETREGSET, pid, what, (unsigned long)&iov);

	*size = iov.iov_len;
	return r;
}

static long
set(pid_t pid, unsigned long what, void *from, size_t size)
{
	struct iovec iov = { from, size };

	return gate_trace(PTRACE_SETREGSET, pid, what, (unsigned long)&iov);
}

/* Of the first child that is born: all of them are alike then. */
static bool
learn_registers(pid_t pid)
{
	size_t general = sizeof registers->general, vectors = sizeof registers->vectors;

	if (get(pid, NT_PRSTATUS, &registers->general, &general) == -1 ||
	    get(pid, NT_X86_XSTATE, registers->vectors, &vectors) == -1)
		return false;
	registers->vectors_size = vectors;
	registers->general.rip = (unsigned long)restore;
	registers->general.rdi = (unsigned long)image;
	/* As if called. */
	registers->general.rsp = (unsigned long)scratch + SCRATCH_STACK - sizeof(void *);
	registers->general.eflags &= ~TRAP_FLAGS;
	registers->general.orig_rax = ~0UL; /* no system call to be taken up again */
	return true;
}

int
rewind_start(pid_t pid)
{
	uint64_t no_signals = 0;

	if (!registers->known)
		registers->known = learn_registers(pid);
	if (!registers->known ||
	    set(pid, NT_PRSTATUS, &registers->general, sizeof registers->general) == -1 ||
	    set(pid, NT_X86_XSTATE, registers->vectors, registers->vectors_size) == -1 ||
	    gate_trace(PTRACE_SETSIGMASK, pid, sizeof no_signals, (unsigned long)&no_signals) == -1 ||
	    gate_trace(PTRACE_CONT, pid, 0, 0) == -1) {
		rewind_signal(pid, SIGKILL);
		return -1;
	}
	return 0;
}

void
rewind_signal(pid_t pid, int sig)
{
	/* Who has been killed meanwhile is heard of by wait(). */
	(void)gate_trace(PTRACE_CONT, pid, 0, (unsigned long)sig);
}

/* Lines of smaps (proc_pid_smaps(5)): where a mapping is, then its flags. */
static bool
find_mappings(FILE *maps, struct mappings *m)
{
	char line[512];
	unsigned long start = 0, end = 0;

	m->n = 0;
	while (fgets(line, sizeof line, maps) != NULL) {
		char *at;
		unsigned long from = strtoul(line, &at, 16);

		/* Other lines begin with a word, and a colon. */
		if (at > line && *at == '-') {
			start = from;
			end = strtoul(at + 1, NULL, 16);
		}
		if (strncmp(line, "VmFlags:", 8) != 0 || strstr(line, " wr") == NULL ||
		    strstr(line, " dc") != NULL)
			continue;
		if (m->n == MAPPINGS || strstr(line, " sh") != NULL)
			return false;
		m->at[m->n].start = (char *)start;
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
find_regions(const struct mappings *m, const struct rewind_hot *hot, struct image *im,
             size_t *pages)
{
	*pages = 0;
	for (size_t i = 0; i < m->n; i++) {
		size_t left = m->at[i].pages;
		char *p = m->at[i].start;

		while (left > 0) {
			bool copied;
			size_t n = count_alike(hot, p, left, &copied);

			if (im->n == REGIONS)
				return false;
			/* The copy's place comes with the copy. */
			im->region[im->n++] = (struct region){ p, copied ? p : NULL, n };
			*pages += copied ? n : 0;
			p += n * PAGE;
			left -= n;
		}
	}
	return true;
}

static void
copy_regions(void)
{
	char *to = (char *)image + PAGE;

	for (size_t i = 0; i < image->n; i++) {
		struct region *r = &image->region[i];

		if (r->copy == NULL)
			continue;
		memcpy(to, r->start, r->pages * PAGE);
		r->copy = to;
		to += r->pages * PAGE;
	}
}

static bool
make_room(void)
{
	registers = mmap(NULL, sizeof *registers, PROT_READ | PROT_WRITE,
	                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return registers != MAP_FAILED &&
	       madvise(registers, sizeof *registers, MADV_DONTFORK) == 0;
}

static bool
make_image(const struct mappings *m, const struct rewind_start_at *at)
{
	struct image found = { .top = at->top, .run = at->run, .n = 0 };
	size_t pages;

	_Static_assert(sizeof(struct image) <= PAGE, "the copies begin at the second page");
	if (!find_regions(m, at->hot, &found, &pages) || pages * PAGE > IMAGE_MAX)
		return false;
	scratch = mmap(NULL, SCRATCH_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	               -1, 0);
	/* Shared: a private page could be dropped by who may call madvise(). */
	image = mmap(NULL, (1 + pages) * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
	             -1, 0);
	if (scratch == MAP_FAILED || image == MAP_FAILED)
		return false;
	*image = found;
	copy_regions();
	return mprotect(image, (1 + pages) * PAGE, PROT_READ) == 0;
}

bool
rewind_is_possible(void)
{
	static char vectors[VECTORS_MAX];
	struct iovec iov = { vectors, sizeof vectors };
	pid_t pid = fork();
	bool good;
	int status;

	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0)
			__asm__ volatile("int3");
		_exit(1);
	}
	if (pid == -1)
		return false;
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return false;
	if (!WIFSTOPPED(status))
		return false;
	good = ptrace(PTRACE_GETREGSET, pid, (void *)NT_X86_XSTATE, &iov) == 0 &&
	       ptrace(PTRACE_SETREGSET, pid, (void *)NT_X86_XSTATE, &iov) == 0 &&
	       iov.iov_len < sizeof vectors;
	(void)kill(pid, SIGKILL); /* ours, and waited for by us */
	while (waitpid(pid, &status, 0) == pid && !WIFEXITED(status) && !WIFSIGNALED(status))
		;
	return good;
}

int
rewind_open(void)
{
	return open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
}

bool
rewind_prepare(int maps, const struct rewind_start_at *at)
{
	FILE *f = maps == -1 ? NULL : fdopen(maps, "r");
	struct mappings m;
	bool good = f != NULL && make_room() && find_mappings(f, &m);

	if (f != NULL)
		(void)fclose(f); /* only read */
	else if (maps != -1)
		(void)close(maps);
	return good && make_image(&m, at);
}

#else

bool
rewind_is_possible(void)
{
	return false;
}

int
rewind_open(void)
{
	return -1;
}

bool
rewind_prepare(int maps, const struct rewind_start_at *at)
{
	(void)at;
	if (maps != -1)
		(void)close(maps);
	return false;
}

void
rewind_clean(void)
{
}

void
rewind_wait(void)
{
}

void
rewind_begin(void)
{
}

int
rewind_start(pid_t pid)
{
	(void)pid;
	return -1;
}

void
rewind_signal(pid_t pid, int sig)
{
	(void)pid;
	(void)sig;
}

#endif
