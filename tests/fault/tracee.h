/*
 * A traced process of inject.c and the changes made to a system call it has just
 * begun: not made but failed, made with a smaller count, made after another one.
 * The one place that knows the registers of an architecture.
 */
#ifndef TESTS_FAULT_TRACEE_H
#define TESTS_FAULT_TRACEE_H

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

enum who { KEEPER, SESSION, OTHER };
enum override { NONE, RESULT, COUNT, AGAIN };

struct tracee {
	pid_t pid;
	enum who who;
	unsigned n; /* system calls begun */
	bool in_call;
	bool kill_after;
	enum override override; /* what on_exit() has to put right */
	int64_t result;
	uint64_t saved; /* the argument that on_entry() changed */
	uint64_t nr, args[6];
	struct user_regs_struct regs; /* at the entry of a call to be made again */
};

static void
fail(const char *what)
{
	fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
	exit(125);
}

static void
misuse(const char *what)
{
	fprintf(stderr, "inject: %s\n", what);
	exit(2);
}

/* The registers this tool changes: call number, return value, arguments 0 and 2. */
#if defined __x86_64__
#define REG_NR(r) ((r).orig_rax)
#define REG_RESULT(r) ((r).rax)
#define REG_ARG0(r) ((r).rdi)
#define REG_ARG1(r) ((r).rsi)
#define REG_ARG2(r) ((r).rdx)
#define REG_ARG3(r) ((r).r10)
#define REG_STACK(r) ((r).rsp)
#elif defined __aarch64__
#define REG_RESULT(r) ((r).regs[0])
#define REG_ARG0(r) ((r).regs[0])
#define REG_ARG1(r) ((r).regs[1])
#define REG_ARG2(r) ((r).regs[2])
#define REG_ARG3(r) ((r).regs[3])
#define REG_STACK(r) ((r).sp)
#else
#error "inject.c: name this architecture's registers"
#endif

/* false when the process is gone meanwhile, as after a SIGKILL from elsewhere. */
static bool
get_regs(pid_t pid, struct user_regs_struct *regs)
{
	struct iovec iov = { regs, sizeof *regs };

	return ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &iov) == 0;
}

static void
set_regs(pid_t pid, struct user_regs_struct *regs)
{
	struct iovec iov = { regs, sizeof *regs };

	if (ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &iov) == -1 &&
	    errno != ESRCH)
		fail("PTRACE_SETREGSET");
}

static void
set_number(pid_t pid, struct user_regs_struct *regs, int nr)
{
#ifdef REG_NR
	(void)pid;
	REG_NR(*regs) = (unsigned long long)nr;
#else
	struct iovec iov = { &nr, sizeof nr };

	(void)regs;
	if (ptrace(PTRACE_SETREGSET, pid, (void *)NT_ARM_SYSTEM_CALL, &iov) == -1)
		fail("NT_ARM_SYSTEM_CALL");
#endif
}

/*
 * Turns the call at hand into close(-1), to be given t->result after it. The call
 * number -1 would skip it too, but a seccomp filter sees that number and kills;
 * closing the session may.
 */
static void
make_harmless(struct tracee *t)
{
	struct user_regs_struct regs;

	if (!get_regs(t->pid, &regs))
		return;
	t->saved = REG_ARG0(regs);
	t->override = RESULT;
	if (t->nr == SYS_close)
		return; /* close(2) frees the descriptor even where it fails */
	REG_ARG0(regs) = UINT64_MAX;
	set_number(t->pid, &regs, SYS_close);
	set_regs(t->pid, &regs);
}

/* Halves argument 2: octets of read(2) and write(2), pieces of readv(2) and writev(2). */
static bool
shorten(struct tracee *t)
{
	struct user_regs_struct regs;

	if (t->nr != SYS_read && t->nr != SYS_write && t->nr != SYS_readv &&
	    t->nr != SYS_writev)
		return false;
	if (t->args[2] < 2 || !get_regs(t->pid, &regs))
		return false;
	t->saved = REG_ARG2(regs);
	REG_ARG2(regs) = t->args[2] / 2;
	set_regs(t->pid, &regs);
	t->override = COUNT;
	return true;
}

/*
 * Makes an openat(2) that the process never meant, in its place; the real call comes
 * after it. PTRACE_POKEDATA needs a privileged tracer once the process is undumpable.
 */
static bool
open_first(struct tracee *t, const char *path, unsigned flags)
{
	struct user_regs_struct regs;
	size_t len = strlen(path) + 1;
	uint64_t at;

	if (!get_regs(t->pid, &regs))
		return false;
	t->regs = regs;
	at = (REG_STACK(regs) - 8192) & ~(uint64_t)7; /* below any red zone */
	for (size_t i = 0; i < len; i += sizeof(long)) {
		long word = 0;

		memcpy(&word, path + i, len - i < sizeof word ? len - i : sizeof word);
		if (ptrace(PTRACE_POKEDATA, t->pid, (void *)(at + i), (void *)word) == -1)
			fail("PTRACE_POKEDATA");
	}
	REG_ARG0(regs) = (uint64_t)AT_FDCWD;
	REG_ARG1(regs) = at;
	REG_ARG2(regs) = flags;
	REG_ARG3(regs) = 0600;
	set_number(t->pid, &regs, SYS_openat);
	set_regs(t->pid, &regs);
	t->override = AGAIN;
	return true;
}

/* Back to the instruction that makes the call, everything as it was then. */
static void
make_again(struct tracee *t)
{
	struct user_regs_struct regs = t->regs;

#ifdef REG_NR
	REG_RESULT(regs) = REG_NR(regs);
	regs.rip -= 2;
#else
	regs.pc -= 4;
#endif
	set_regs(t->pid, &regs);
}

static void
repair(struct tracee *t)
{
	struct user_regs_struct regs;

	if (t->override == AGAIN) {
		make_again(t);
	} else if (get_regs(t->pid, &regs)) {
		if (t->override == COUNT) {
			REG_ARG2(regs) = t->saved;
		} else {
			REG_ARG0(regs) = t->saved;
			REG_RESULT(regs) = (uint64_t)t->result;
		}
		set_regs(t->pid, &regs);
	}
	t->override = NONE;
}

#endif
