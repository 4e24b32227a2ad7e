/*
 * See runner_run.h. What a runner gives up before its first domain: other files than STATE's, any
 * network but sockets of this host, programs and processes.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sandbox.h"
#include "relay/runner_run.h"

/* Some architectures have only the newer call. */
#ifdef SYS_renameat
#define RENAME SYS_renameat, SYS_renameat2
#else
#define RENAME SYS_renameat2
#endif

static const int calls[] = {
	/* memory, time, randomness, the log */
	SYS_write, SYS_writev, SYS_close, SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise,
	SYS_getrandom, SYS_getpid, SYS_clock_gettime, SYS_futex, SYS_restart_syscall,
	SYS_rt_sigreturn, SYS_exit_group, SYS_sysinfo /* of qsort(3) */, SYS_gettid, SANDBOX_SANITIZER
	/* queues, and domains/ */
	SYS_openat, SYS_read, SYS_readv, SYS_pread64, SYS_pwrite64, SYS_lseek, SYS_fstat,
	SYS_newfstatat, SYS_getdents64, SYS_flock, SYS_fsync, SYS_fdatasync, SYS_ftruncate,
	SYS_utimensat, SYS_unlinkat, SYS_mkdirat, SYS_faccessat2, SYS_faccessat, SYS_fcntl, RENAME,
	/* reports */
	SYS_memfd_create, SYS_dup,
	/* dispatcher, senders, router, tls, LMTP on this host */
	SANDBOX_POLL, SYS_sendmsg, SYS_recvmsg, SYS_sendto, SYS_socketpair, SANDBOX_UNIX, SYS_connect,
	SYS_setsockopt, SYS_getsockopt,
};

bool
run_read_login(struct run *r)
{
	const char *file = r->setup->conf->relay_login;
	char buf[sizeof r->login + sizeof r->password + 2];
	int fd = file[0] == '\0' ? -1 : open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : read(fd, buf, sizeof buf - 1);
	char *password, *end;
	struct stat st;
	bool good;

	if (file[0] == '\0')
		return true;
	good = n >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 077) == 0;
	if (!good)
		log_error(n >= 0 ? "relay-login: others may read or write it" : "read relay-login",
		          n >= 0 ? 0 : errno);
	if (fd != -1)
		(void)close(fd); /* only read */
	if (!good)
		return false;
	buf[n] = '\0';
	password = strchr(buf, '\n');
	end = password == NULL ? NULL : password + 1 + strcspn(password + 1, "\n");
	if (password != NULL)
		*password++ = '\0';
	if (end != NULL)
		*end = '\0';
	good = password != NULL && buf[0] != '\0' && password[0] != '\0' &&
	       text_copy(r->login, sizeof r->login, buf) &&
	       text_copy(r->password, sizeof r->password, password);
	explicit_bzero(buf, sizeof buf);
	if (!good)
		log_error("relay-login: expected two lines, login and password", 0);
	return good;
}

bool
run_confine(const struct runner_setup *setup)
{
	static const struct rlimit none = { 0, 0 };
	int landlock;

	if (!setup->lock)
		return true;
	if ((setup->uid != 0 && sandbox_become(setup->uid, setup->gid) == -1) ||
	    (setup->uid == 0 && sandbox_drop_capabilities() == -1) ||
	    setrlimit(RLIMIT_CORE, &none) == -1 || sandbox_no_new_privs() == -1) {
		log_error("confine a runner", errno);
		return false;
	}
	landlock = sandbox_landlock_files(setup->state, setup->domains);
	if (landlock == -1 || sandbox_seccomp_only(calls, sizeof calls / sizeof calls[0]) == -1) {
		log_error("confine a runner", errno);
		return false;
	}
	if (landlock == 0)
		log_notice("this kernel lacks Landlock ABI 2: running without it");
	return true;
}
