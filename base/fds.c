/* See fds.h. */
#include "base/fds.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OUT_OF_THE_WAY 64 /* above any number that is settled on */

int
fds_settle(int *fd, unsigned n, int first)
{
	/* A target may be another one's source: so all are moved away first. */
	for (unsigned i = 0; i < n; i++)
		if (fd[i] != -1 && (fd[i] = fcntl(fd[i], F_DUPFD_CLOEXEC, OUT_OF_THE_WAY)) == -1)
			return -1;
	for (unsigned i = 0; i < n; i++)
		if (fd[i] != -1 && (fd[i] = dup3(fd[i], first++, O_CLOEXEC)) == -1)
			return -1;
	return (int)syscall(SYS_close_range, first, ~0U, 0);
}
