/* keeper/maildir.h: made once, finished where it was begun, names nobody else has. */
#include "keeper/maildir.h"

#include <time.h>

#include "keeper/mailbox.h"
#include "tests/unit/test.h"

static int state;

/* What stands there before; r: a descriptor, or errno. */
static const struct {
	const char *what;
	const char *make[6];
	int error;
} rows[] = {
	{ "no mailbox", { NULL }, ENOENT },
	{ "an empty mailbox", { "" }, 0 },
	{ "Maildir without anything", { "", "Maildir" }, 0 },
	{ "only tmp", { "", "Maildir", "Maildir/tmp" }, 0 },
	{ "tmp and new", { "", "Maildir", "Maildir/tmp", "Maildir/new" }, 0 },
	{ "only new", { "", "Maildir", "Maildir/new" }, 0 },
	{ "only cur", { "", "Maildir", "Maildir/cur" }, 0 },
	{ "all", { "", "Maildir", "Maildir/tmp", "Maildir/new", "Maildir/cur" }, 0 },
};

static bool
is_whole(const char *path)
{
	static const char *const subs[] = { "/Maildir/tmp", "/Maildir/new", "/Maildir/cur" };
	struct stat st;

	for (size_t i = 0; i < LENGTH(subs); i++) {
		char full[64];

		snprintf(full, sizeof full, "%s%s", path, subs[i]);
		if (fstatat(state, full, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
		    st.st_mode != (S_IFDIR | 0700))
			return false;
	}
	return true;
}

static void
test_made(void)
{
	for (size_t i = 0; i < LENGTH(rows); i++) {
		char path[32], full[64];
		int fd;

		snprintf(path, sizeof path, "mail/x.test/u%zu", i);
		for (size_t k = 0; k < 6 && rows[i].make[k] != NULL; k++) {
			snprintf(full, sizeof full, "%s/%s", path, rows[i].make[k]);
			make_dir(state, full);
		}
		errno = 0;
		fd = maildir_open_new(state, path);
		if (rows[i].error != 0) {
			TEST(fd == -1 && errno == rows[i].error, "%s: refused", rows[i].what);
			continue;
		}
		TEST(fd != -1 && is_whole(path), "%s: whole afterwards", rows[i].what);
		put(fd, "message", "x");
		MUST(close(fd) == 0);
		fd = maildir_open_new(state, path);
		TEST(fd != -1 && strcmp(get(fd, "message"), "x") == 0, "%s: opened again",
		     rows[i].what);
		MUST(close(fd) == 0);
	}
}

/* Nothing outside the mailbox is reached. */
static void
test_links(void)
{
	make_dir(state, "elsewhere");
	make_dir(state, "elsewhere/new");
	make_dir(state, "elsewhere/cur");
	make_dir(state, "mail/x.test/a");
	MUST(symlinkat("../../../elsewhere", state, "mail/x.test/a/Maildir") == 0);
	errno = 0;
	TEST(maildir_open_new(state, "mail/x.test/a") == -1 && errno == ELOOP,
	     "Maildir is a symbolic link: refused");
	MUST(symlinkat("a", state, "mail/x.test/b") == 0);
	errno = 0;
	TEST(maildir_open_new(state, "mail/x.test/b") == -1 && errno == ELOOP,
	     "the mailbox is a symbolic link: refused");
	make_dir(state, "mail/x.test/c");
	put(state, "mail/x.test/c/Maildir", "a file");
	TEST(maildir_open_new(state, "mail/x.test/c") == -1, "Maildir is a file: refused");
	errno = 0;
	TEST(mailbox_open(state, "mail/x.test/../../elsewhere", "", O_RDONLY) != -1 ||
	     errno == EXDEV, "dots beneath STATE stay beneath it");
	errno = 0;
	TEST(mailbox_open(state, "mail/../..", "", O_RDONLY) == -1 && errno == EXDEV,
	     "dots do not lead out of STATE");
	errno = 0;
	TEST(mailbox_open(state, "/etc", "/passwd", O_RDONLY) == -1 && errno == EXDEV,
	     "nor does an absolute path");
}

static void
test_paths(void)
{
	char out[MAILBOX_PATH], *longest = repeat('x', LIMIT_NAME), want[MAILBOX_PATH];

	mailbox_path(out, "x.test", "%2E.");
	TEST_STR(out, "mail/x.test/%2E.", "mailbox_path");
	mailbox_path(out, longest, longest);
	snprintf(want, sizeof want, "mail/%s/%s", longest, longest);
	TEST_STR(out, want, "mailbox_path of the longest names");
	free(longest);
}

/* SEC.M<usec>P<pid>R<16 hex>.HOST,S=n */
static bool
is_name(const char *name, const char *host, uint64_t size)
{
	unsigned long long sec, usec, pid, random, n;
	int end = 0;
	const char *p;

	if (sscanf(name, "%llu.M%lluP%lluR%16llx.%n", &sec, &usec, &pid, &random, &end) != 4 ||
	    end == 0 || strncmp(name + end, host, strlen(host)) != 0)
		return false;
	p = name + end + strlen(host);
	return sscanf(p, ",S=%llu%n", &n, &end) == 1 && p[end] == '\0' && n == size &&
	       usec < 1000000 && (pid_t)pid == getpid() && llabs((long long)sec - time(NULL)) < 5;
}

static void
test_names(void)
{
	static char names[2000][LIMIT_NAME + 1];
	char *host = repeat('h', LIMIT_DOMAIN), short_host[151];
	unsigned same = 0;
	char name[LIMIT_NAME + 1];

	maildir_name(name, "mx.test", 0);
	TEST(is_name(name, "mx.test", 0), "a name: %s", name);
	maildir_name(name, "mx.test", UINT64_MAX);
	TEST(is_name(name, "mx.test", UINT64_MAX), "the largest size: %s", name);
	maildir_name(name, host, (uint64_t)1 << 40);
	memcpy(short_host, host, 150);
	short_host[150] = '\0';
	TEST(is_name(name, short_host, (uint64_t)1 << 40) && strlen(name) <= LIMIT_NAME &&
	     strchr(name, ':') == NULL && strchr(name, '/') == NULL,
	     "a host of 255 octets leaves a name of %zu", strlen(name));
	free(host);
	for (size_t i = 0; i < LENGTH(names); i++)
		maildir_name(names[i], "mx.test", 1);
	for (size_t i = 1; i < LENGTH(names); i++)
		for (size_t k = 0; k < i; k++)
			same += strcmp(names[i], names[k]) == 0;
	TEST(same == 0, "two thousand names, all different");
}

int
main(void)
{
	needs_openat2("maildir");
	state = scratch();
	make_dir(state, "mail");
	make_dir(state, "mail/x.test");
	test_made();
	test_links();
	test_paths();
	test_names();
	return 0;
}
