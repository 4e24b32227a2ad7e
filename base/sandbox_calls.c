/* See sandbox_calls.h. */
#include "base/sandbox_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>

#if defined __x86_64__
#define ARCH AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "base/sandbox_calls.c: name this architecture's AUDIT_ARCH constant"
#endif

#define LOAD(member) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define ALLOW(name) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), \
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define KILL BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
#define X32_BIT 0x40000000U
#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

/* Half of an argument, in the machine's order of octets; and the half that is the lower. */
#define ARG(n, half) (offsetof(struct seccomp_data, args[n]) + 4 * (half))
#define LOW 0 /* of all architectures above */
#define HIGH 1

/*
 * sendto without an address (both halves of it), and so without descriptors beside what is
 * sent: a process that is taken over can give none of its own away.
 */
#define SENDTO \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendto, 0, 6), \
	LOAD(args[4]), \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3), \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[4]) + 4), \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), \
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW), \
	KILL

/* Of this architecture, and its number is loaded. */
#define HEAD \
	LOAD(arch), \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0), \
	KILL, \
	LOAD(nr), \
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1), \
	KILL

/*
 * Descriptors below SANDBOX_KEPT are for jobs and the log; what others hold of their sockets
 * is not a child's to shut down or to change.
 */
#define LEAVE_KEPT \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_shutdown, 1, 0), \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fcntl, 0, 4), \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG(0, LOW)), \
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, SANDBOX_KEPT, 1, 0), \
	KILL, \
	LOAD(nr)

/* What a session may do; the rest depends on whose filter it is. */
#ifdef __SANITIZE_ADDRESS__
#define SANITIZER_CALLS ALLOW(sigaltstack), /* what its runtime asks before _exit() */
#else
#define SANITIZER_CALLS
#endif
#define SESSION_CALLS \
	ALLOW(read), \
	ALLOW(write), \
	ALLOW(ppoll), \
	SENDTO, \
	ALLOW(recvmsg), \
	ALLOW(writev), \
	ALLOW(shutdown), \
	ALLOW(clock_gettime), \
	ALLOW(restart_syscall), \
	ALLOW(rt_sigreturn), \
	ALLOW(exit_group), \
	SANITIZER_CALLS

static int
install(struct sock_filter *filter, size_t n)
{
	struct sock_fprog prog = { (unsigned short)n, filter };

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0);
}

int
sandbox_seccomp_session(void)
{
	static struct sock_filter filter[] = { HEAD, SESSION_CALLS ALLOW(close), KILL };

	return install(filter, LENGTH(filter));
}

#define MATCH(n, half, value) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG(n, half)), \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0), \
	KILL
#define MATCH_SIZE 3

/*
 * What the ancestor may do more. A zero that is matched stands for a part of the secret.
 * Of ptrace and close children have one use without it, `when` their first argument is so.
 */
#define UNLESS_SECRET(name, when, value) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 16), \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG(0, LOW)), \
	BPF_JUMP(BPF_JMP | (when) | BPF_K, value, 0, 1), \
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW), \
	MATCH(4, 0, 0), MATCH(4, 1, 0), \
	MATCH(5, 0, 0), MATCH(5, 1, 0), \
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define UNLESS_FIRST 4 /* where the secret begins */
#define UNLESS_WORDS 4

static const struct sock_filter closing_calls[] = {
	UNLESS_SECRET(close, BPF_JGE, SANDBOX_KEPT),
};
static const struct sock_filter tracing_calls[] = {
	UNLESS_SECRET(ptrace, BPF_JEQ, PTRACE_TRACEME),
};

static const struct sock_filter forking_calls[] = {
	ALLOW(wait4),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 1, 0),
	KILL,
	MATCH(0, 0, SIGCHLD), MATCH(0, 1, 0),
	MATCH(2, 0, 0), MATCH(2, 1, 0),
	MATCH(3, 0, 0), MATCH(3, 1, 0),
	MATCH(4, 0, 0), MATCH(4, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};
#define FORKING_SECRET 10
#define FORKING_WORDS 6

/*
 * Appends calls, and the secret where it has its place among them; how many. Through one
 * register at a time (volatile): no vector register keeps a copy.
 */
static size_t
add_gate(const struct sandbox_gate *gate, struct sock_filter *at,
         const struct sock_filter *calls, size_t n, unsigned first, unsigned words)
{
	const volatile uint32_t *from = (const volatile uint32_t *)gate->secret;

	memcpy(at, calls, n * sizeof *at);
	for (unsigned i = 0; i < words; i++)
		*(volatile uint32_t *)&at[first + MATCH_SIZE * i + 1].k = from[i];
	return n;
}

/*
 * Advice on pages changes what is in them, and more, in all that a process has mapped. Who
 * is rewound gives it in its rooms only, and none that outlives a rewinding.
 */
static const struct sock_filter room_head[] = {
	/* To the loading of the number, behind the rooms. */
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 0),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG(1, HIGH)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
	KILL,
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG(2, LOW)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_DONTNEED, 2, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_POPULATE_WRITE, 1, 0),
	KILL,
};
/* The length is at most what lies between the start and the end of a room. */
#define ROOM_SIZE 12
#define ROOMS_MAX (LENGTH(room_head) + ROOM_SIZE * SANDBOX_ROOMS + 1)

static size_t
add_room(struct sock_filter *f, const struct sandbox_room *r)
{
	const uint32_t start = (uint32_t)r->start, end = (uint32_t)r->end;
	const struct sock_filter test[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG(0, HIGH)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)((uint64_t)r->start >> 32), 0, 10),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG(0, LOW)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, start, 0, 8),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, end, 7, 0),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_IMM, end),
		BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG(1, LOW)),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_X, 0, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	_Static_assert(LENGTH(test) == ROOM_SIZE, "count them");
	memcpy(f, test, sizeof test);
	return ROOM_SIZE;
}

/* rooms: ended by one without an end, or NULL. */
static size_t
add_rooms(struct sock_filter *f, const struct sandbox_room *rooms)
{
	size_t n = LENGTH(room_head);

	_Static_assert(ROOMS_MAX <= UINT8_MAX, "a conditional jump is no longer");
	if (rooms == NULL)
		return 0;
	memcpy(f, room_head, sizeof room_head);
	for (; rooms->end != 0; rooms++)
		n += add_room(f + n, rooms);
	f[n++] = (struct sock_filter)KILL;
	f[0].jf = (uint8_t)(n - 1);
	return n;
}

/*
 * The filter in gate->room: before the n instructions of `calls` what even these may not
 * do, behind them what the ancestor may do more. Then it counts.
 */
static int
install_gate(struct sandbox_gate *gate, const struct sock_filter *calls, size_t n,
             const struct sandbox_room *rooms)
{
	static const struct sock_filter head[] = { HEAD, LEAVE_KEPT };
	struct sock_filter *own = (struct sock_filter *)gate->room;
	size_t len = LENGTH(head);

	if (len + ROOMS_MAX + n + LENGTH(closing_calls) + LENGTH(tracing_calls) +
	    LENGTH(forking_calls) > sizeof gate->room / sizeof *own) {
		errno = E2BIG;
		return -1;
	}
	memcpy(own, head, sizeof head);
	len += add_rooms(own + len, rooms);
	memcpy(own + len, calls, n * sizeof *calls);
	len += n;
	len += add_gate(gate, own + len, closing_calls, LENGTH(closing_calls), UNLESS_FIRST,
	                UNLESS_WORDS);
	if (rooms != NULL)
		len += add_gate(gate, own + len, tracing_calls, LENGTH(tracing_calls), UNLESS_FIRST,
		                UNLESS_WORDS);
	len += add_gate(gate, own + len, forking_calls, LENGTH(forking_calls), FORKING_SECRET,
	                FORKING_WORDS);
	return install(own, len);
}

int
sandbox_seccomp_nursery(struct sandbox_gate *gate, const struct sandbox_room *rooms)
{
	static const struct sock_filter calls[] = { SESSION_CALLS };

	return install_gate(gate, calls, LENGTH(calls), rooms);
}

/* Calls with an argument that must be this in these bits (its lower half suffices). */
static const struct {
	int word, call; /* in the list, and what it stands for */
	unsigned arg;
	uint32_t mask, value;
} limited[] = {
	{ SYS_mmap, SYS_mmap, 2, PROT_EXEC, 0 },
	{ SYS_mprotect, SYS_mprotect, 2, PROT_EXEC, 0 },
	{ SANDBOX_SETFL, SYS_fcntl, 1, ~0U, F_SETFL },
	{ SANDBOX_SETNAME, SYS_prctl, 0, ~0U, PR_SET_NAME },
	/* Of the options of a socket that one, and three others of the same bits. */
	{ SANDBOX_QUICKACK, SYS_setsockopt, 2, ~(uint32_t)TCP_QUICKACK, 0 },
	{ SANDBOX_UNIX, SYS_socket, 0, ~(uint32_t)AF_UNIX, 0 },
};

/* At most so many instructions for one call. */
#define CALL_MAX 7

/* Calls that take more than that. */
static const struct sock_filter send_call[] = { SENDTO };
static const struct sock_filter no_memory[] = {
	/* A result of 0: an end of the heap below what was asked for, which is how it fails. */
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_brk, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
};

static const struct sock_filter own_advice[] = {
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 5),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG(2, LOW)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_DONTNEED, 1, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_POPULATE_WRITE, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	KILL,
};

static const struct {
	int word;
	unsigned n;
	const struct sock_filter *what;
} wholes[] = {
	{ SYS_sendto, LENGTH(send_call), send_call },
	{ SANDBOX_ADVICE, LENGTH(own_advice), own_advice },
	{ SANDBOX_NO_MEMORY, LENGTH(no_memory), no_memory },
};

/* Appends "this call is allowed" to the filter; 0 is where calls go that are not. */
static unsigned
add_call(struct sock_filter *f, int call)
{
	for (size_t i = 0; i < LENGTH(limited); i++) {
		if (limited[i].word != call)
			continue;
		f[0] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
			(uint32_t)limited[i].call, 0, 5);
		f[1] = (struct sock_filter)LOAD(args);
		f[1].k += limited[i].arg * (uint32_t)sizeof(uint64_t);
		f[2] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, limited[i].mask);
		f[3] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, limited[i].value, 0, 1);
		f[4] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
		f[5] = (struct sock_filter)KILL;
		return 6;
	}
	for (size_t i = 0; i < LENGTH(wholes); i++) {
		if (wholes[i].word != call)
			continue;
		memcpy(f, wholes[i].what, wholes[i].n * sizeof *f);
		return wholes[i].n;
	}
	f[0] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1);
	f[1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return 2;
}

/* "These calls are allowed", without a head and an end. How long it is. */
static unsigned
add_list(struct sock_filter *f, const int *calls, unsigned n)
{
	unsigned len = 0;

	for (unsigned i = 0; i < n; i++)
		len += add_call(f + len, calls[i]);
	return len;
}

int
sandbox_seccomp_only(const int *calls, unsigned n)
{
	static const struct sock_filter head[] = { HEAD };
	struct sock_filter filter[LENGTH(head) + CALL_MAX * SANDBOX_CALLS + 1];
	unsigned len = LENGTH(head);

	if (n > SANDBOX_CALLS) {
		errno = E2BIG;
		return -1;
	}
	memcpy(filter, head, sizeof head);
	len += add_list(filter + len, calls, n);
	filter[len++] = (struct sock_filter)KILL;
	return install(filter, len);
}

int
sandbox_seccomp_nursery_only(struct sandbox_gate *gate, const int *calls, unsigned n,
                             const struct sandbox_room *rooms)
{
	struct sock_filter filter[CALL_MAX * SANDBOX_CALLS];

	if (n > SANDBOX_CALLS) {
		errno = E2BIG;
		return -1;
	}
	return install_gate(gate, filter, add_list(filter, calls, n), rooms);
}
