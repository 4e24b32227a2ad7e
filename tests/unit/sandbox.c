/* base/sandbox.h: what a list of calls lets through, tried in processes that may die of it. */
#include "base/sandbox.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tests/unit/test.h"

static const int calls[] = {
	SYS_exit_group, SYS_close, SANDBOX_UNIX, SYS_mmap, SYS_munmap, SYS_sendto,
#ifdef __SANITIZE_ADDRESS__
	SYS_sigaltstack,
#endif
};

static const char abroad[16] = { 2 }; /* a struct sockaddr */

static void
socket_unix(void)
{
	(void)close(socket(AF_UNIX, SOCK_STREAM, 0));
}

static void
socket_inet(void)
{
	(void)socket(AF_INET, SOCK_STREAM, 0);
}

static void
socket_inet6(void)
{
	(void)socket(AF_INET6, SOCK_DGRAM, 0);
}

static void
socket_netlink(void)
{
	(void)socket(AF_NETLINK, SOCK_RAW, 0);
}

static void
map(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p != MAP_FAILED)
		(void)munmap(p, 4096);
}

static void
map_code(void)
{
	(void)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void
send_plain(void)
{
	(void)syscall(SYS_sendto, -1, "x", 1, 0, NULL, 0);
}

static void
send_abroad(void)
{
	(void)syscall(SYS_sendto, -1, "x", 1, 0, abroad, sizeof abroad);
}

static void
execute(void)
{
	(void)syscall(SYS_execve, "/", NULL, NULL);
}

static void
make_process(void)
{
	(void)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static const struct {
	const char *name;
	void (*act)(void);
	bool lives;
} rows[] = {
	{ "socket(AF_UNIX)", socket_unix, true },
	{ "socket(AF_INET)", socket_inet, false },
	{ "socket(AF_INET6)", socket_inet6, false },
	{ "socket(AF_NETLINK)", socket_netlink, false },
	{ "mmap()", map, true },
	{ "mmap(PROT_EXEC)", map_code, false },
	{ "sendto() without an address", send_plain, true },
	{ "sendto() with one", send_abroad, false },
	{ "execve()", execute, false },
	{ "clone()", make_process, false },
};

int
main(void)
{
	for (size_t i = 0; i < LENGTH(rows); i++) {
		pid_t pid = fork();
		int status;

		MUST(pid != -1);
		if (pid == 0) {
			if (sandbox_no_new_privs() == -1 ||
			    sandbox_seccomp_only(calls, LENGTH(calls)) == -1)
				_exit(2);
			rows[i].act();
			_exit(0);
		}
		MUST(waitpid(pid, &status, 0) == pid);
		TEST(rows[i].lives ? WIFEXITED(status) && WEXITSTATUS(status) == 0 :
		     WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS,
		     "%s is %s", rows[i].name, rows[i].lives ? "allowed" : "death");
	}
	return 0;
}
