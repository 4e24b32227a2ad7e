/* base/fds.h: in a child, since it closes everything. */
#include "base/fds.h"

#include <sys/wait.h>

#include "tests/unit/test.h"

static ino_t
inode(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/*
 * Opens five files, settles those of `pick` ("0".."4" for a file, "-" for none) from 10
 * on, and looks. The files lie at 10 to 14 beforehand, so sources are targets, too.
 */
static bool
settle(const char *pick)
{
	unsigned n = (unsigned)strlen(pick), at = 10;
	int fd[8], status;
	pid_t pid = fork();

	MUST(pid != -1);
	if (pid != 0) {
		MUST(waitpid(pid, &status, 0) == pid);
		return WIFEXITED(status) && WEXITSTATUS(status) == 0;
	}
	ino_t files[5];

	for (int i = 0; i < 5; i++) {
		int new = memfd_create("x", 0);

		if (dup2(new, 10 + i) == -1 || dup2(new, 70 + i) == -1)
			_exit(2);
		close(new);
		files[i] = inode(10 + i);
	}
	for (unsigned i = 0; i < n; i++)
		fd[i] = pick[i] == '-' ? -1 : 10 + pick[i] - '0';
	if (fds_settle(fd, n, 10) != 0)
		_exit(3);
	for (unsigned i = 0; i < n; i++) {
		if (pick[i] == '-') {
			if (fd[i] != -1)
				_exit(4);
			continue;
		}
		if (fd[i] != (int)at || inode(fd[i]) != files[pick[i] - '0'] ||
		    fcntl(fd[i], F_GETFD) != FD_CLOEXEC)
			_exit(5);
		at++;
	}
	for (int i = (int)at; i < 200; i++)
		if (fcntl(i, F_GETFD) != -1)
			_exit(6);
	_exit(fcntl(2, F_GETFD) == -1 ? 7 : 0);
}

int
main(void)
{
	static const char *const picks[] = { "", "0", "4", "01234", "43210", "120", "20", "3-1",
		                             "-", "--2", "0-", "-0-4-", "00", "444" };
	int bad = 999, status;
	pid_t pid;

	for (size_t i = 0; i < LENGTH(picks); i++)
		TEST(settle(picks[i]), "settle \"%s\"", picks[i]);
	pid = fork();
	MUST(pid != -1);
	if (pid == 0)
		_exit(fds_settle(&bad, 1, 10) == -1 && errno == EBADF ? 0 : 1);
	MUST(waitpid(pid, &status, 0) == pid);
	TEST(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a number that is not open");
	return 0;
}
