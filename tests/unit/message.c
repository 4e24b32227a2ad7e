/*
 * keeper/message.h: with and without a name, reopened, and sealed only when no
 * writer is left. On the filesystem of /tmp and on tmpfs.
 */
#include "keeper/message.h"

#include <sys/vfs.h>
#include <sys/wait.h>

#include "tests/unit/test.h"

static int dir, tmp, new;
static const char *where;

enum kind { UNNAMED, NAMED, REOPENED };
static const char *const kinds[] = { "without a name", "named", "reopened" };

/* Made, with "one " in it. */
static bool
create(struct message *m, enum kind kind)
{
	if (kind == UNNAMED)
		return message_create(m, tmp, "id.1") == 0 && write(m->fd, "one ", 4) == 4;
	if (message_create_named(m, tmp, "id.1") == -1 || write(m->fd, "one ", 4) != 4)
		return false;
	if (kind == NAMED)
		return true;
	/* What a process leaves that ended: the file, no descriptor. */
	return close(m->fd) == 0 && close(m->read_fd) == 0 &&
	       message_reopen(m, tmp, "id.1") == 0;
}

static void
test_life(enum kind kind)
{
	const char *name = kinds[kind];
	struct message m;
	uint64_t size = 0;
	struct stat st;

	if (!TEST(create(&m, kind), "%s, %s: made", where, name))
		return;
	TEST(count_in(dir, "tmp") == (kind == UNNAMED ? 0 : 1), "%s, %s: its name", where, name);
	TEST((fcntl(m.fd, F_GETFL) & (O_APPEND | O_ACCMODE)) == (O_APPEND | O_WRONLY) &&
	     (fcntl(m.fd, F_GETFD) & FD_CLOEXEC) && (fcntl(m.read_fd, F_GETFD) & FD_CLOEXEC),
	     "%s, %s: appends only, closed on exec", where, name);
	TEST(lseek(m.fd, 0, SEEK_SET) == 0 && write(m.fd, "two\n", 4) == 4 &&
	     pwrite(m.fd, "X", 1, 0) == 1, "%s, %s: a writer seeks and still appends", where,
	     name);
	TEST(fstat(m.fd, &st) == 0 && (st.st_mode & 07777) == 0600, "%s, %s: mode 0600", where,
	     name);
	TEST(message_seal(&m, &size) == 0 && size == 9 && m.fd == -1, "%s, %s: sealed, its size",
	     where, name);
	TEST(message_sync(&m) == 0, "%s, %s: synced", where, name);
	TEST(message_link(&m, new, "a") == 0 && message_link(&m, new, "b") == 0,
	     "%s, %s: linked twice", where, name);
	errno = 0;
	TEST(message_link(&m, new, "a") == -1 && errno == EEXIST, "%s, %s: not over a file",
	     where, name);
	message_discard(&m);
	TEST(m.fd == -1 && m.read_fd == -1 && m.name[0] == '\0' && count_in(dir, "tmp") == 0,
	     "%s, %s: discarded, nothing in tmp", where, name);
	TEST(fstatat(new, "a", &st, 0) == 0 && st.st_nlink == 2, "%s, %s: two links stay", where,
	     name);
	TEST_STR(get(new, "a"), "one two\nX", "%s, %s: the content", where, name);
	MUST(unlinkat(new, "a", 0) == 0 && unlinkat(new, "b", 0) == 0);
}

static void
test_abandoned(enum kind kind)
{
	struct message m;

	MUST(create(&m, kind));
	message_discard(&m);
	TEST(count_in(dir, "tmp") == 0, "%s, %s: abandoned, nothing is left", where, kinds[kind]);
	message_discard(&m);
	TEST(m.fd == -1, "%s, %s: discarded twice", where, kinds[kind]);
}

/* Somebody holds the file open for writing: here, and in another process. */
static void
test_writers(enum kind kind)
{
	const char *name = kinds[kind];
	struct message m;
	uint64_t size;
	int fd, copy, hold[2];
	char path[32];
	pid_t child;

	MUST(create(&m, kind));
	copy = dup(m.fd);
	MUST(copy != -1);
	errno = 0;
	TEST(message_seal(&m, &size) == -1 && errno == EAGAIN, "%s, %s: not while a copy is open",
	     where, name);
	MUST(close(copy) == 0);
	TEST(message_seal(&m, &size) == 0, "%s, %s: after it is closed", where, name);
	message_discard(&m);

	MUST(create(&m, kind) && pipe2(hold, O_CLOEXEC) == 0);
	child = fork();
	MUST(child != -1);
	if (child == 0) {
		char c;

		(void)close(hold[1]);
		_exit(read(hold[0], &c, 1) == 0 ? 0 : 1);
	}
	errno = 0;
	TEST(message_seal(&m, &size) == -1 && errno == EAGAIN,
	     "%s, %s: not while another process has it", where, name);
	MUST(close(hold[0]) == 0 && close(hold[1]) == 0 && waitpid(child, NULL, 0) == child);
	TEST(message_seal(&m, &size) == 0, "%s, %s: after it ended", where, name);

	/* The lease stands: who opens it for writing now has to wait, or is told so. */
	snprintf(path, sizeof path, "/proc/self/fd/%d", m.read_fd);
	(void)fcntl(m.read_fd, F_SETSIG, SIGURG); /* ignored by default, SIGIO is not */
	errno = 0;
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	TEST(fd == -1 && errno == EWOULDBLOCK, "%s, %s: sealed, it cannot be opened to write",
	     where, name);
	message_discard(&m);
}

static void
test_errors(void)
{
	struct message m;
	char *s = repeat('x', LIMIT_NAME + 1);

	errno = 0;
	TEST(message_create_named(&m, tmp, s) == -1 && errno == ENAMETOOLONG, "%s: a long name",
	     where);
	free(s);
	put(tmp, "taken", "x");
	errno = 0;
	TEST(message_create_named(&m, tmp, "taken") == -1 && errno == EEXIST,
	     "%s: a name that is taken", where);
	message_discard(&m);
	TEST_STR(get(tmp, "taken"), "x", "%s: and that file stays", where);
	MUST(unlinkat(tmp, "taken", 0) == 0);
	errno = 0;
	TEST(message_reopen(&m, tmp, "none") == -1 && errno == ENOENT, "%s: none to reopen",
	     where);
	message_discard(&m);
	MUST(symlinkat("/dev/null", tmp, "link") == 0);
	errno = 0;
	TEST(message_reopen(&m, tmp, "link") == -1 && errno == ELOOP, "%s: no symbolic link",
	     where);
	message_discard(&m);
	MUST(unlinkat(tmp, "link", 0) == 0);
}

static bool
leases_work(void)
{
	int fd;
	bool works;

	put(dir, "lease", "x");
	fd = openat(dir, "lease", O_RDONLY | O_CLOEXEC);
	works = fd != -1 && fcntl(fd, F_SETLEASE, F_RDLCK) == 0;
	MUST(close(fd) == 0 && unlinkat(dir, "lease", 0) == 0);
	return works;
}

static void
test_on(const char *parent, const char *name)
{
	where = name;
	dir = scratch_in(parent);
	if (!leases_work()) {
		printf("skip %s: a lease on it fails: %s\n", name, strerror(errno));
		test_clean();
		return;
	}
	make_dir(dir, "tmp");
	make_dir(dir, "new");
	tmp = openat(dir, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	new = openat(dir, "new", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(tmp != -1 && new != -1);
	for (enum kind kind = UNNAMED; kind <= REOPENED; kind++) {
		test_life(kind);
		test_abandoned(kind);
		test_writers(kind);
	}
	test_errors();
	MUST(close(tmp) == 0 && close(new) == 0 && close(dir) == 0);
	test_clean();
}

int
main(void)
{
	test_on("/tmp", "/tmp");
	if (access("/dev/shm", W_OK) == 0)
		test_on("/dev/shm", "/dev/shm");
	else
		printf("skip /dev/shm: cannot be written\n");
	return 0;
}
