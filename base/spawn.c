/*
 * See spawn.h. What a child does not need is no page of its own: neither the ancestor's
 * stack, nor what libc keeps for each process that nobody asks.
 */
#include "base/spawn.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/gate.h"
#include "base/log.h"
#include "base/rewind.h"
#include "base/sandbox.h"

#define PAGE ((uintptr_t)4096)
#define STACK_SIZE (128 * 1024)
#define STACK_HOT (3 * PAGE) /* of it a child uses so much in any case */

/*
 * Every session's, in its own copy: pages that nobody has touched before the fork. The
 * lowest one is the guard. Beside the other data, they share its page tables.
 */
static char stack[STACK_SIZE] __attribute__((aligned(PAGE)));

static void (*run)(void);
static int limit; /* descriptors are below it */
static bool rewinds;

/*
 * A fork leaves the ancestor's own stack out: it is not copied, page by page as either side
 * writes to it, and a child holds nothing of what was on it.
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
 * copied by every fork for a number that nobody reads. And what stands there can make it
 * continue a process elsewhere. False: it goes on.
 */
static bool
leave_rseq(void)
{
#ifdef RSEQ_SIG
	char *area = (char *)__builtin_thread_pointer() + __rseq_offset;

	/* One of the two lengths it was registered with. */
	return __rseq_size == 0 ||
	       syscall(SYS_rseq, area, 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) == 0 ||
	       syscall(SYS_rseq, area, __rseq_size, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) == 0;
#else
	return true;
#endif
}

/* What a child inherits, and what one before it has left open: nothing of that is its. */
static void
close_rest(void)
{
	for (int fd = SANDBOX_KEPT; fd < limit; fd++)
		(void)close(fd); /* most are not open */
}

/* From where a rewound child starts. */
static void
serve(void)
{
	rewind_clean();
	close_rest();
	run();
	rewind_wait();
}

static void
begin(void)
{
	if (rewinds) {
		rewind_begin();
		return; /* as one that has nothing to do */
	}
	close_rest();
	run();
}

int
spawn_lock(const struct spawn *s)
{
	/* By a child that needs the stack still. */
	bool possible = !s->once && s->maps != -1 && rewind_is_possible();
	struct rewind_hot hot[SPAWN_HOT + 2] = { { stack + sizeof stack - STACK_HOT, STACK_HOT } };
	const struct rewind_start_at at = { serve, stack + sizeof stack, hot, s->rests };
	struct sandbox_room rooms[SANDBOX_ROOMS + 1];
	const struct sandbox_room *given;

	memcpy(hot + 1, s->hot, sizeof s->hot);
	run = s->run;
	limit = SANDBOX_KEPT + (int)s->descriptors;
	if (sandbox_limit(RLIMIT_NOFILE, (uint64_t)limit) == -1 || gate_make() == -1 ||
	    mprotect(stack, PAGE, PROT_NONE) == -1 || keep_own_stack() == -1)
		return -1;
	possible = leave_rseq() && possible;
	rewinds = possible && rewind_prepare(s->maps, &at, rooms);
	if (possible && !rewinds)
		log_error("cannot rewind processes, forks them", 0);
	if (!possible && s->maps != -1)
		(void)close(s->maps);
	given = rewinds ? rooms : NULL;
	return s->calls == NULL ? gate_lock(given) : gate_lock_only(s->calls, s->n, given);
}

pid_t
spawn_child(void)
{
	return gate_fork(stack + sizeof stack, begin);
}

bool
spawn_rewinds(void)
{
	return rewinds;
}

bool
spawn_stopped(pid_t pid, int sig)
{
	if (sig == SIGTRAP)
		return rewind_start(pid) == 0;
	rewind_signal(pid, sig);
	return false;
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
