/*
 * See gate.h. What keeps the secret from a child: its page is not copied by a fork, it
 * passes through general registers only, and the instructions around a call wipe those
 * that still hold it.
 */
#include "base/gate.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sandbox.h"
#include "base/wipe.h"

/* In a child: an address where nothing is. */
static struct sandbox_gate *gate;

int
gate_make(void)
{
	size_t size = sizeof *gate;

	gate = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (gate == MAP_FAILED || madvise(gate, size, MADV_DONTFORK) == -1 ||
	    syscall(SYS_getrandom, gate->secret, sizeof gate->secret, 0) != sizeof gate->secret)
		return -1;
	return 0;
}

int
gate_lock(const struct sandbox_room *rooms)
{
	int r = sandbox_seccomp_nursery(gate, rooms);

	wipe_stack();
	return r;
}

int
gate_lock_only(const int *calls, unsigned n, const struct sandbox_room *rooms)
{
	int r = sandbox_seccomp_nursery_only(gate, calls, n, rooms);

	wipe_stack();
	return r;
}

/* Third to fifth argument the secret; both sides have wiped the registers before run(). */
static long
clone_with_secret(char *top, void (*run)(void))
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
	                 : "D"((long)SIGCHLD), "S"(top), "b"(run), [exit] "i"(SYS_exit_group)
	                 : "rcx", "rdx", "r8", "r10", "r11", "memory", "cc");
	return r;
#elif defined __aarch64__
	register long r __asm__("x0") = SIGCHLD;
	register char *stack __asm__("x1") = top;
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
	                 : "+r"(r), "+r"(stack), "+r"(call), "+r"(secret), "+r"(child)
	                 : [exit] "i"(SYS_exit_group)
	                 : "x2", "x3", "x4", "x30", "memory", "cc");
	return r;
#else
#error "base/gate.c: clone() with the secret in its last three arguments, see above"
#endif
}

pid_t
gate_fork(char *top, void (*run)(void))
{
	long r = clone_with_secret(top, run);

	if (r < 0) {
		errno = (int)-r;
		return -1;
	}
	return (pid_t)r;
}

/* Fifth and sixth argument the first two words of the secret. */
static long
call_with_secret(long number, long a, long b, long c, long d)
{
#if defined __x86_64__
	register long r __asm__("rax") = number;
	register long fourth __asm__("r10") = d;

	__asm__ volatile("movq 0(%[secret]), %%r8\n\t"
	                 "movq 8(%[secret]), %%r9\n\t"
	                 "syscall\n\t"
	                 "xorl %%r8d, %%r8d\n\t"
	                 "xorl %%r9d, %%r9d"
	                 : "+r"(r)
	                 : "D"(a), "S"(b), "d"(c), "r"(fourth), [secret] "b"(gate->secret)
	                 : "rcx", "r8", "r9", "r11", "memory", "cc");
	return r;
#else
	register long r __asm__("x0") = a;
	register long second __asm__("x1") = b;
	register long third __asm__("x2") = c;
	register long fourth __asm__("x3") = d;
	register long call __asm__("x8") = number;
	register const uint64_t *secret __asm__("x9") = gate->secret;

	__asm__ volatile("ldp x4, x5, [x9]\n\t"
	                 "svc #0\n\t"
	                 "mov x4, xzr\n\t"
	                 "mov x5, xzr"
	                 : "+r"(r)
	                 : "r"(second), "r"(third), "r"(fourth), "r"(call), "r"(secret)
	                 : "x4", "x5", "memory", "cc");
	return r;
#endif
}

long
gate_trace(long request, pid_t pid, unsigned long addr, unsigned long data)
{
	long r = call_with_secret(SYS_ptrace, request, pid, (long)addr, (long)data);

	if (r >= 0)
		return r;
	errno = (int)-r;
	return -1;
}

void
gate_close(int fd)
{
	(void)call_with_secret(SYS_close, fd, 0, 0, 0); /* an error changes nothing */
}
