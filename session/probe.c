/*
 * Compiled into build/test/smtpd-probe only. Tries, from inside a real session,
 * what a session that has been taken over would try. The sandbox should kill it.
 */
#include "session/probe.h"

#ifdef POSTERN_PROBE

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static long try_open(void) { return open("/etc/passwd", O_RDONLY); }
static long try_socket(void) { return socket(AF_INET, SOCK_STREAM, 0); }
static long try_execve(void) { return execl("/bin/true", "true", (char *)NULL); }
static long try_ptrace(void) { return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL); }
static long try_kill(void) { return kill(1, 0); }
static long try_fcntl(void) { return fcntl(0, F_GETFL); }
static long try_fork(void) { return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }

/* The nursery's way to fork, with a guess in the place of its secret. */
static long
try_guess(void)
{
	return syscall(SYS_clone, SIGCHLD, 0, ~0UL, ~0UL, ~0UL);
}

/* As base/rewind.c has a session end, but in its midst. Without rewinding it is death. */
static long
try_stop(void)
{
#ifdef __x86_64__
	__asm__ volatile("int3");
#endif
	return 0;
}

/* What carries descriptors. */
static long
try_sendmsg(void)
{
	struct msghdr msg = { .msg_iovlen = 0 };

	return sendmsg(0, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Under the front: where its jobs come from. */
static long try_close(void) { return close(3); }

static long
try_connect(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };

	return connect(0, (struct sockaddr *)&sin, sizeof sin);
}

static long
try_mmap(void)
{
	return mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

static long
try_int80(void)
{
#ifdef __x86_64__
	long r = 20; /* getpid of the 32-bit table */

	__asm__ volatile("int $0x80" : "+a"(r) : : "memory");
	return r;
#else
	return syscall(SYS_getpid);
#endif
}

static long
try_smash(void)
{
	char small[16];
	volatile size_t n = 256;

	memset(small, 'x', n);
	return small[0];
}

static const struct {
	const char *what;
	long (*run)(void);
} tries[] = {
	{ "open", try_open },     { "socket", try_socket },   { "execve", try_execve },
	{ "ptrace", try_ptrace }, { "kill", try_kill },       { "connect", try_connect },
	{ "mmap", try_mmap },     { "fcntl", try_fcntl },     { "int80", try_int80 },
	{ "fork", try_fork },     { "guess", try_guess },     { "smash", try_smash },
	{ "stop", try_stop },     { "sendmsg", try_sendmsg }, { "close", try_close },
};

const struct reply *
probe_do_try(struct session *s, const char *arg)
{
	static const struct reply not_denied = { 250, "2.0.0", "NOT DENIED" };

	for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
		if (strcasecmp(tries[i].what, arg) != 0)
			continue;
		(void)tries[i].run(); /* that it returns at all is the finding */
		(void)text_copy(s->detail, sizeof s->detail, arg);
		return &not_denied;
	}
	return &reply_no_help;
}

#endif
