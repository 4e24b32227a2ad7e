/* keeper/mailbox.c, with openat2 and without it: the same answers. */
#include "keeper/mailbox.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "tests/unit/tree.h"

static const struct {
	const char *path, *below;
	int flags;
	int err; /* 0: it opens */
} rows[] = {
	{ "mail/here.test/alice", "", O_PATH | O_DIRECTORY, 0 },
	{ "mail/here.test/alice", "/forward", O_RDONLY, 0 },
	{ "mail/here.test/alice", "/none", O_RDONLY, ENOENT },
	{ "mail/here.test/nobody", "", O_PATH | O_DIRECTORY, ENOENT },
	{ "mail/elsewhere.test/alice", "", O_PATH | O_DIRECTORY, ENOENT },
	{ "mail/here.test/link", "", O_PATH | O_DIRECTORY, ELOOP },
	{ "mail/here.test/link", "/forward", O_RDONLY, ELOOP },
	{ "mail/linked.test/alice", "", O_PATH | O_DIRECTORY, ELOOP },
	{ "mail/here.test/alice/filelink", "", O_RDONLY, ELOOP },
	{ "mail/here.test/alice/forward", "", O_RDONLY | O_DIRECTORY, ENOTDIR },
	{ "mail/here.test/alice/forward", "/x", O_RDONLY, ENOTDIR },
};

static void
try_rows(const char *how)
{
	for (size_t i = 0; i < LENGTH(rows); i++) {
		int fd = mailbox_open(state, rows[i].path, rows[i].below, rows[i].flags);
		int err = fd == -1 ? errno : 0;

		TEST(err == rows[i].err, "%s: %s%s: %s", how, rows[i].path, rows[i].below,
		     strerror(err));
		if (fd != -1)
			close(fd);
	}
}

/* From here on openat2 is a system call that does not exist. */
static void
take_openat2_away(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { LENGTH(filter), filter };

	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) == 0);
}

int
main(void)
{
	make_tree();
	make_domain("here.test", "deliver = maildir\n");
	make_dir(state, "mail/here.test/alice");
	put(state, "mail/here.test/alice/forward", "bob@here.test\n");
	MUST(symlinkat("alice", state, "mail/here.test/link") == 0);
	MUST(symlinkat("forward", state, "mail/here.test/alice/filelink") == 0);
	MUST(symlinkat("here.test", state, "mail/linked.test") == 0);
	try_rows("openat2");
	take_openat2_away();
	try_rows("by steps");
	return 0;
}
