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

/* What a session may do; the rest depends on whose filter it is. */
#ifdef __SANITIZE_ADDRESS__
#define SANITIZER_CALLS ALLOW(sigaltstack), /* what its runtime asks before _exit() */
#else
#define SANITIZER_CALLS
#endif
#define SESSION_CALLS \
	LOAD(arch), \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0), \
	KILL, \
	LOAD(nr), \
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1), \
	KILL, \
	ALLOW(read), \
	ALLOW(write), \
	ALLOW(ppoll), \
	ALLOW(sendmsg), \
	ALLOW(recvmsg), \
	ALLOW(close), \
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
	static struct sock_filter filter[] = { SESSION_CALLS KILL };

	return install(filter, sizeof filter / sizeof filter[0]);
}

/* Half of an argument, as the machine's order of octets has it, is just this. */
#define ARG(n, half) (offsetof(struct seccomp_data, args[n]) + 4 * (half))
#define MATCH(n, half, value) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG(n, half)), \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0), \
	KILL

/* What the ancestor may do more: it is the filter's end. */
#define NURSERY_CALLS \
	ALLOW(wait4), \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 1, 0), \
	KILL, \
	MATCH(0, 0, SIGCHLD), MATCH(0, 1, 0), \
	MATCH(2, 0, 0), MATCH(2, 1, 0), \
	MATCH(3, 0, 0), MATCH(3, 1, 0), \
	MATCH(4, 0, 0), MATCH(4, 1, 0), \
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),

/* The first n of gate->room end with NURSERY_CALLS: the secret goes in, and they count. */
static int
install_gate(struct sandbox_gate *gate, size_t n)
{
	const volatile uint32_t *from = (const volatile uint32_t *)gate->secret;
	struct sock_filter *own = (struct sock_filter *)gate->room;

	/* Through one register at a time (volatile): no vector register keeps a copy. */
	for (size_t i = 0; i < 6; i++)
		*(volatile uint32_t *)&own[n - 1 - 3 * (6 - i) + 1].k = from[i];
	return install(own, n);
}

int
sandbox_seccomp_nursery(struct sandbox_gate *gate)
{
	static const struct sock_filter filter[] = { SESSION_CALLS NURSERY_CALLS };

	_Static_assert(sizeof filter <= sizeof gate->room, "gate->room is too small");
	memcpy(gate->room, filter, sizeof filter);
	return install_gate(gate, sizeof filter / sizeof filter[0]);
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

/* Appends "this call is allowed" to the filter; 0 is where calls go that are not. */
static unsigned
add_call(struct sock_filter *f, int call)
{
	for (size_t i = 0; i < sizeof limited / sizeof limited[0]; i++) {
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
	if (call == SYS_sendto) {
		/* Both halves of the address: a datagram socket would send anywhere. */
		f[0] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 6);
		f[1] = (struct sock_filter)LOAD(args[4]);
		f[2] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3);
		f[3] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			offsetof(struct seccomp_data, args[4]) + 4);
		f[4] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
		f[5] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
		f[6] = (struct sock_filter)KILL;
		return 7;
	}
	f[0] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1);
	f[1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return 2;
}

static const struct sock_filter list_head[] = {
	LOAD(arch),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
	KILL,
	LOAD(nr),
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1),
	KILL,
};
#define LIST_HEAD (sizeof list_head / sizeof list_head[0])

/* "These calls are allowed", without an end. How long it is. */
static unsigned
add_list(struct sock_filter *f, const int *calls, unsigned n)
{
	unsigned len = LIST_HEAD;

	memcpy(f, list_head, sizeof list_head);
	for (unsigned i = 0; i < n; i++)
		len += add_call(f + len, calls[i]);
	return len;
}

int
sandbox_seccomp_only(const int *calls, unsigned n)
{
	struct sock_filter filter[LIST_HEAD + CALL_MAX * SANDBOX_CALLS + 1];
	unsigned len;

	if (n > SANDBOX_CALLS) {
		errno = E2BIG;
		return -1;
	}
	len = add_list(filter, calls, n);
	filter[len++] = (struct sock_filter)KILL;
	return install(filter, len);
}

int
sandbox_seccomp_nursery_only(struct sandbox_gate *gate, const int *calls, unsigned n)
{
	static const struct sock_filter end[] = { NURSERY_CALLS };
	struct sock_filter filter[LIST_HEAD + CALL_MAX * SANDBOX_CALLS];
	size_t len, end_len = sizeof end / sizeof end[0];

	len = n > SANDBOX_CALLS ? SIZE_MAX : add_list(filter, calls, n);
	if (len > sizeof gate->room / sizeof filter[0] - end_len) {
		errno = E2BIG;
		return -1;
	}
	memcpy(gate->room, filter, len * sizeof filter[0]);
	memcpy(gate->room + len * sizeof filter[0], end, sizeof end);
	return install_gate(gate, len + end_len);
}
