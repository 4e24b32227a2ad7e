/*
 * See spawn.h. Called by the nursery, and by tls/ancestor.c. What keeps the secret from a
 * session: its page and the nursery's stack are not copied by a fork, it passes through
 * general registers only, and the instructions around clone() wipe those that still hold
 * it.
 */
#include "base/spawn.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sandbox.h"
#include "base/wipe.h"

#define PAGE ((uintptr_t)4096)
#define STACK_SIZE (128 * 1024)

/* In a session: an address where nothing is. */
static struct sandbox_gate *gate;

/*
 * Every session's, in its own copy: pages that nobody has touched before the fork. The
 * lowest one is the guard. Beside the other data, they share its page tables.
 */
static char stack[STACK_SIZE] __attribute__((aligned(PAGE)));

/*
 * A fork leaves the nursery's own stack out: it is not copied, page by page as either side
 * writes to it, and a session holds nothing of what was on it.
 */
static int
keep_own_stack(void)
{
	/* The program's name lies at the very end, after arguments and environment. */
	const char *last = (const char *)getauxval(AT_EXECFN);
	uintptr_t end = ((uintptr_t)last + strlen(last) + sizeof(void *)) | (PAGE - 1);
	uintptr_t start = ((uintptr_t)__builtin_frame_address(0) & ~(PAGE - 1)) - STACK_SIZE;

	/* ENOMEM: it has not grown so far down yet; the rest is marked nevertheless. */
	if (madvise((void *)start, end + 1 - start, MADV_DONTFORK) == -1 && errno != ENOMEM)
		return -1;
	return 0;
}

/*
 * libc has the kernel note in a page of each process where it runs (rseq(2)): a page
 * copied by every fork for a number that nobody reads.
 */
static void
leave_rseq(void)
{
#ifdef RSEQ_SIG
	char *area = (char *)__builtin_thread_pointer() + __rseq_offset;

	/* One of the two lengths it was registered with; else it goes on, and costs. */
	if (__rseq_size > 0 && syscall(SYS_rseq, area, 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) == -1)
		(void)syscall(SYS_rseq, area, __rseq_size, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
#endif
}

static int
draw_secret(void)
{
	size_t size = sizeof *gate;

	gate = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (gate == MAP_FAILED || madvise(gate, size, MADV_DONTFORK) == -1 ||
	    getrandom(gate->secret, sizeof gate->secret, 0) != sizeof gate->secret ||
	    mprotect(stack, PAGE, PROT_NONE) == -1 || keep_own_stack() == -1)
		return -1;
	leave_rseq();
	return 0;
}

int
spawn_lock(void)
{
	int r = draw_secret();

	if (r == 0)
		r = sandbox_seccomp_nursery(gate);
	wipe_stack();
	return r;
}

int
spawn_lock_only(const int *calls, unsigned n)
{
	int r = draw_secret();

	if (r == 0)
		r = sandbox_seccomp_nursery_only(gate, calls, n);
	wipe_stack();
	return r;
}

/*
 * clone() for SIGCHLD, third to fifth argument the secret. The parent gets its result. The
 * child, on its own stack, calls run() and exits; both have wiped the registers first.
 */
static long
clone_through_gate(void (*run)(void))
{
	const uint64_t *from = gate->secret;

#if defined __x86_64__
	register long r __asm__("rax") = SYS_clone;
	register const uint64_t *secret __asm__("r9") = from;

	__asm__ volatile("movq 0(%%r9), %%rdx\n\t"
	                 "movq 8(%%r9), %%r10\n\t"
	                 "movq 16(%%r9), %%r8\n\t"
	                 "syscall\n\t"
	                 "xorl %%edx, %%edx\n\t"
	                 "xorl %%r10d, %%r10d\n\t"
	                 "xorl %%r8d, %%r8d\n\t"
	                 "testq %%rax, %%rax\n\t"
	                 "jnz 1f\n\t"
	                 "xorl %%ebp, %%ebp\n\t" /* where a debugger's walk ends */
	                 "call *%%rbx\n\t"
	                 "xorl %%edi, %%edi\n\t"
	                 "movl %[exit], %%eax\n\t"
	                 "syscall\n\t"
	                 "hlt\n"
	                 "1:"
	                 : "+r"(r), "+r"(secret)
	                 : "D"((long)SIGCHLD), "S"(stack + sizeof stack), "b"(run),
	                   [exit] "i"(SYS_exit_group)
	                 : "rcx", "rdx", "r8", "r10", "r11", "memory", "cc");
	return r;
#elif defined __aarch64__
	register long r __asm__("x0") = SIGCHLD;
	register char *top __asm__("x1") = stack + sizeof stack;
	register long call __asm__("x8") = SYS_clone;
	register const uint64_t *secret __asm__("x9") = from;
	register void (*child)(void) __asm__("x19") = run;

	__asm__ volatile("ldp x2, x3, [x9]\n\t"
	                 "ldr x4, [x9, #16]\n\t"
	                 "svc #0\n\t"
	                 "mov x2, xzr\n\t"
	                 "mov x3, xzr\n\t"
	                 "mov x4, xzr\n\t"
	                 "cbnz x0, 1f\n\t"
	                 "mov x29, xzr\n\t"
	                 "blr x19\n\t"
	                 "mov x0, xzr\n\t"
	                 "mov x8, %[exit]\n\t"
	                 "svc #0\n\t"
	                 "brk #0\n"
	                 "1:"
	                 : "+r"(r), "+r"(top), "+r"(call), "+r"(secret), "+r"(child)
	                 : [exit] "i"(SYS_exit_group)
	                 : "x2", "x3", "x4", "x30", "memory", "cc");
	return r;
#else
#error "base/spawn.c: clone() with the secret in its last three arguments, see above"
#endif
}

pid_t
spawn_session(void (*run)(void))
{
	long r = clone_through_gate(run);

	if (r < 0) {
		errno = (int)-r;
		return -1;
	}
	return (pid_t)r;
}

/* One page below this frame stays: this call's own, and the next ones'. */
void
spawn_trim_stack(void)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0) & ~(PAGE - 1);
	uintptr_t low = (uintptr_t)stack + PAGE;

	if (here > low + PAGE && here < (uintptr_t)stack + STACK_SIZE)
		(void)madvise((void *)low, here - PAGE - low, MADV_DONTNEED); /* pages of ours */
}
