/*
 * See sandbox.h. Straight system calls: the kernel's own headers are the
 * documentation, and a static program gains nothing from a wrapper library.
 */
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Rights that headers older than the kernel may lack (landlock(7)). */
#define FS_REFER (1ULL << 13)    /* ABI 2 */
#define FS_TRUNCATE (1ULL << 14) /* ABI 3 */
#define FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */
#define NET_ALL 3ULL             /* ABI 4: bind and connect TCP */
#define NET_CONNECT 2ULL
#define RULE_NET_PORT 2          /* enum landlock_rule_type */
#define SCOPE_ALL 3ULL           /* ABI 6: abstract unix sockets, signals */

/* struct landlock_ruleset_attr with all members up to ABI 6. */
struct ruleset {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

int
sandbox_landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
	                   LANDLOCK_CREATE_RULESET_VERSION);

	return abi > 0 ? (int)abi : 0;
}

/* A ruleset that denies all this ABI knows. */
static int
open_ruleset(int abi)
{
	struct ruleset r = { .fs = (1ULL << 13) - 1 };
	size_t size = sizeof r.fs;

	if (abi >= 2)
		r.fs |= FS_REFER;
	if (abi >= 3)
		r.fs |= FS_TRUNCATE;
	if (abi >= 4) {
		r.net = NET_ALL;
		size = offsetof(struct ruleset, scoped);
	}
	if (abi >= 5)
		r.fs |= FS_IOCTL_DEV;
	if (abi >= 6) {
		r.scoped = SCOPE_ALL;
		size = sizeof r;
	}
	return (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
}

static int
add_path(int ruleset, int dir, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = rights,
		.parent_fd = dir,
	};

	return (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
	                    &rule, 0);
}

/* Enters a ruleset that is complete; closes it in any case. 1, or -1 with errno. */
static int
enforce(int ruleset, bool complete)
{
	bool good = complete && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
	int err = errno;

	(void)close(ruleset);
	errno = err;
	return good ? 1 : -1;
}

int
sandbox_limit(int resource, uint64_t n)
{
	struct rlimit r = { n, n };
	struct rlimit old;

	if (getrlimit((__rlimit_resource_t)resource, &old) == 0 && old.rlim_max < n)
		r.rlim_cur = r.rlim_max = old.rlim_max;
	return setrlimit((__rlimit_resource_t)resource, &r);
}

int
sandbox_no_trace(void)
{
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int
sandbox_no_new_privs(void)
{
	if (sandbox_no_trace() == -1)
		return -1;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int
sandbox_landlock_nothing(void)
{
	int abi = sandbox_landlock_abi();
	int ruleset;

	if (abi < 1)
		return 0;
	ruleset = open_ruleset(abi);
	return ruleset == -1 ? -1 : enforce(ruleset, true);
}

/* struct landlock_net_port_attr */
struct port_rule {
	uint64_t rights;
	uint64_t port;
};

int
sandbox_landlock_connect(const uint16_t *ports, unsigned n)
{
	int abi = sandbox_landlock_abi();
	bool good = true;
	int ruleset;

	if (abi < 1)
		return 0;
	ruleset = open_ruleset(abi);
	if (ruleset == -1)
		return -1;
	for (unsigned i = 0; good && abi >= 4 && i < n; i++) {
		struct port_rule rule = { NET_CONNECT, ports[i] };

		good = syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &rule, 0) == 0;
	}
	return enforce(ruleset, good);
}

int
sandbox_landlock_files(int state, int conf)
{
	int abi = sandbox_landlock_abi();
	uint64_t read_only = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
	uint64_t all = read_only | LANDLOCK_ACCESS_FS_WRITE_FILE |
	               LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |
	               LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
	               FS_REFER | (abi >= 3 ? FS_TRUNCATE : 0);
	int ruleset;

	if (abi < 2)
		return 0;
	ruleset = open_ruleset(abi);
	if (ruleset == -1)
		return -1;
	return enforce(ruleset, add_path(ruleset, state, all) == 0 &&
	                        add_path(ruleset, conf, read_only) == 0);
}

int
sandbox_landlock_dir(int dir)
{
	int abi = sandbox_landlock_abi();
	uint64_t rights = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
	                  LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
	                  LANDLOCK_ACCESS_FS_REMOVE_FILE;
	int ruleset;

	if (abi < 1)
		return 0;
	ruleset = open_ruleset(abi);
	if (ruleset == -1)
		return -1;
	return enforce(ruleset, add_path(ruleset, dir, rights) == 0);
}

bool
sandbox_is_privileged(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) == -1)
		return false;
	return (data[0].effective & 1U << CAP_SETUID) != 0;
}

/* Capabilities beyond `kept`; where capget fails, as if there were some. */
static bool
has_more_than(uint32_t kept)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { ~0U, 0, 0 }, { 0, 0, 0 } };
	uint32_t more = 0;

	(void)syscall(SYS_capget, &header, data);
	for (int i = 0; i < 2; i++)
		more |= (data[i].effective | data[i].permitted | data[i].inheritable) &
		        ~(i == 0 ? kept : 0);
	return more != 0;
}

/* Units that start us without capabilities do not allow to set any: then it is not asked. */
static int
drop_all_but(uint32_t kept)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { kept, kept, 0 }, { 0, 0, 0 } };

	/* uid 0 -> other clears these; ambient capabilities under another uid stay. */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1 && errno != EINVAL)
		return -1;
	return has_more_than(kept) ? (int)syscall(SYS_capset, &header, data) : 0;
}

int
sandbox_drop_capabilities(void)
{
	return drop_all_but(0);
}

static int
change_ids(uid_t uid, gid_t gid)
{
	if (setgroups(0, NULL) == -1 || setresgid(gid, gid, gid) == -1)
		return -1;
	return setresuid(uid, uid, uid);
}

int
sandbox_become(uid_t uid, gid_t gid)
{
	return change_ids(uid, gid) == -1 ? -1 : drop_all_but(0);
}

int
sandbox_become_reader(uid_t uid, gid_t gid)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == -1 || change_ids(uid, gid) == -1)
		return -1;
	return drop_all_but(1U << CAP_DAC_READ_SEARCH);
}
