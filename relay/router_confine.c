/*
 * See router_confine.h. The list is what libunbound, libevent and malloc need.
 */
#include "relay/router_confine.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/sandbox.h"


static const int calls[] = {
	/* memory, time, randomness, the log */
	SYS_read, SYS_write, SYS_close, SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise,
	SYS_getrandom, SYS_getpid, SYS_clock_gettime, SYS_gettimeofday, SYS_futex,
	SYS_restart_syscall, SYS_rt_sigreturn, SYS_exit_group, SYS_writev, SYS_readv,
	SYS_sysinfo /* of qsort(3), once it sorts much */, SYS_gettid, SANDBOX_SANITIZER
	/* packets, and the pairs over which the fetcher is asked */
	SYS_sendmsg, SYS_recvmsg, SYS_socketpair, SYS_shutdown, SANDBOX_POLL,
	SANDBOX_EPOLL_WAIT, SYS_epoll_ctl,
	/* DNS */
	SYS_socket, SYS_bind, SYS_connect, SYS_sendto, SYS_recvfrom, SYS_fcntl, SYS_ioctl,
	SYS_setsockopt, SYS_getsockopt, SYS_getsockname, SYS_getpeername,
};

#define DNS_PORT 53

/* DNS over TCP: to port 53, and to those of resolvers that the configuration names. */
static bool
confine_ports(const struct conf *c)
{
	uint16_t ports[LIMIT_RESOLVERS + 1] = { DNS_PORT };
	unsigned n = 1;

	for (unsigned i = 0; i < c->n_dns; i++)
		ports[n++] = (uint16_t)strtoul(strchr(c->dns[i], '@') + 1, NULL, 10);
	return sandbox_landlock_connect(ports, n) != -1;
}

bool
router_confine(const struct conf *c)
{
	static const struct rlimit none = { 0, 0 };
	struct rlimit files;

	/* A socket for every question on its way; up to the hard limit is always allowed. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	return setrlimit(RLIMIT_CORE, &none) == 0 && sandbox_no_new_privs() == 0 &&
	       sandbox_drop_capabilities() == 0 && confine_ports(c) &&
	       sandbox_seccomp_only(calls, sizeof calls / sizeof calls[0]) == 0;
}
