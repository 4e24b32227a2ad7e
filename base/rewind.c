/*
 * See rewind.h. The part that runs in the child before its memory is its own again
 * (restore()) trusts its registers, its text, and the image: no libc, no static data, no
 * canary.
 */
#include "base/rewind_own.h"

#include <unistd.h>

#if REWIND_IS_BUILT

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "base/gate.h"

#define PAGE REWIND_PAGE
/* AVX-512 takes 2.7 KiB of it, AMX 11. */
#define VECTORS_MAX ((size_t)16 << 10)
#define TRAP_FLAGS 0x500UL /* TF and DF */

/* What the ancestor gives to a child that starts over. In no child's memory. */
static struct registers {
	bool known;
	struct user_regs_struct general;
	size_t vectors_size;
	_Alignas(64) char vectors[VECTORS_MAX];
} *registers;

/*
 * In the part of the image that is copied even where it was zero when that was judged: they
 * are set only then.
 */
#define ALWAYS_COPIED __attribute__((section(".data")))
static const struct rewind_image *image ALWAYS_COPIED;
static char *scratch ALWAYS_COPIED; /* of restore(): its stack, which is in no region */

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
copy_different(const struct rewind_region *r)
{
	for (size_t at = 0; at < r->pages * PAGE; at += PAGE)
		if (differs((const uint64_t *)(const void *)(r->start + at),
		            (const uint64_t *)(const void *)(r->copy + at)))
			copy_page(r->start + at, r->copy + at);
}

/* madvise(2), MADV_DONTNEED: they are zero again when they are next touched. */
static __attribute__((no_stack_protector)) void
drop(const struct rewind_region *r)
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
restore(const struct rewind_image *im)
{
	for (size_t i = 0; i < im->n; i++) {
		if (im->region[i].copy != NULL)
			copy_different(&im->region[i]);
		else
			drop(&im->region[i]);
	}
	/* First the flags, of which ptrace(2) sets all but one. */
	__asm__ volatile("pushq $2\n\t"
	                 "popfq\n\t"
	                 "movq %[top], %%rsp\n\t"
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
	memset(scratch, 0, PAGE);
}

void
rewind_rest(void)
{
	for (size_t i = 0; image != NULL && i < image->n; i++) {
		const struct rewind_region *r = &image->region[i];
		size_t first = 0; /* of a run of pages that are as they were */

		for (size_t n = 0; r->shares && n <= r->pages; n++) {
			size_t at = n * PAGE;

			if (n < r->pages && !differs((const uint64_t *)(const void *)(r->start + at),
			                             (const uint64_t *)(const void *)(r->copy + at)))
				continue;
			if (n > first)
				(void)madvise(r->start + first * PAGE, (n - first) * PAGE, MADV_DONTNEED);
			first = n + 1;
		}
	}
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
	long r = gate_trace(PTRACE_SETREGSET, pid, what, (unsigned long)&iov);

	/* Of a process that has gone over to 32 bits these are other registers. */
	return r == -1 || iov.iov_len != size ? -1 : 0;
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
	registers->general.rsp = (unsigned long)scratch + PAGE - sizeof(void *);
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

static bool
make_registers(void)
{
	registers = mmap(NULL, sizeof *registers, PROT_READ | PROT_WRITE,
	                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return registers != MAP_FAILED &&
	       madvise(registers, sizeof *registers, MADV_DONTFORK) == 0;
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

bool
rewind_prepare(int maps, const struct rewind_start_at *at,
               struct sandbox_room rooms[SANDBOX_ROOMS + 1])
{
	if (maps == -1)
		return false;
	if (!make_registers()) {
		(void)close(maps);
		return false;
	}
	return rewind_make_image(maps, at, rooms, &image, &scratch);
}

#else

bool
rewind_is_possible(void)
{
	return false;
}

bool
rewind_prepare(int maps, const struct rewind_start_at *at,
               struct sandbox_room rooms[SANDBOX_ROOMS + 1])
{
	(void)at;
	(void)rooms;
	if (maps != -1)
		(void)close(maps);
	return false;
}

void
rewind_clean(void)
{
}

void
rewind_rest(void)
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
