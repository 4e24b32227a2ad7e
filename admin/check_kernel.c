/* The part of `postern check` that asks the kernel for what the sandbox needs. */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/check.h"
#include "base/sandbox.h"

static void
check_landlock(struct rows *out)
{
	int abi = sandbox_landlock_abi();

	if (abi == 0)
		finding(out, CHECK_WARNING, "kernel", "Landlock is missing or off: a session that "
		        "is taken over is held by seccomp and its own uid only" ADVICE
		        "boot Linux 5.19 or later with landlock in lsm=; inside a container, "
		        "allow the landlock_* system calls");
	else if (abi < 2)
		finding(out, CHECK_WARNING, "kernel", "Landlock has ABI %d, and only ABI 2 lets "
		        "messages be linked into mailboxes: the keeper goes without" ADVICE
		        "boot Linux 5.19 or later", abi);
}

/* In a process of its own: the filter is for good. */
static bool
has_seccomp(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (sandbox_no_new_privs() == -1 || sandbox_seccomp_session() == -1)
			_exit(1);
		_exit(0);
	}
	if (pid == -1)
		return false;
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void
check_kernel(struct rows *out)
{
	check_landlock(out);
	if (!has_seccomp())
		finding(out, CHECK_ERROR, "kernel", "a seccomp filter cannot be set, and smtpd "
		        "starts no session without one" ADVICE "boot a kernel with "
		        "CONFIG_SECCOMP_FILTER, or allow seccomp(2) and prctl(2) where a "
		        "container forbids them");
}
