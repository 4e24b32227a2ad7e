/*
 * See quota.h. maildirsize: the first line is the quota ("1000S,5C"), every other
 * one is "octets messages" to be added up. It is written anew from the file names
 * when it is missing, long, of another quota, or says that nothing more fits.
 */
#include "keeper/quota.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/num.h"
#include "keeper/mailbox.h"

#define SETTLED_SECONDS (15 * 60) /* Maildir++: a recount holds for so long */

struct usage {
	int64_t octets, messages;
	bool settled; /* from a recount that is still good */
};

static void
quota_line(struct text *t, const struct domain *d)
{
	text_addu(t, d->quota);
	text_addc(t, 'S');
	if (d->quota_messages != 0) {
		text_addc(t, ',');
		text_addu(t, d->quota_messages);
		text_addc(t, 'C');
	}
	text_addc(t, '\n');
}

/* Size of a message: from ",S=n" in its name, else from the file. */
static int64_t
message_size(int dir, const char *name)
{
	const char *s = strstr(name, ",S=");
	struct stat st;
	char digits[24];
	struct text t;
	uint64_t n;

	if (s != NULL) {
		text_init(&t, digits, sizeof digits);
		text_addn(&t, s + 3, strspn(s + 3, "0123456789"));
		if (text_ok(&t) && parse_u64(digits, LIMIT_MESSAGE, &n))
			return (int64_t)n;
	}
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_size : 0;
}

/* A directory to read, beneath dir; one that is not there is no error: *d is NULL. */
static bool
open_folder(DIR **d, int dir, const char *path)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	*d = fd != -1 ? fdopendir(fd) : NULL;
	if (*d != NULL)
		return true;
	if (fd != -1)
		(void)close(fd); /* only read */
	return fd == -1 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP);
}

/* Adds up new/ or cur/ of one folder; false when it could not be read. */
static bool
count_directory(int maildir, const char *folder, const char *sub, struct usage *u)
{
	char path[LIMIT_NAME + 8];
	struct dirent *e;
	struct text t;
	DIR *d;

	text_init(&t, path, sizeof path);
	text_add(&t, folder);
	text_add(&t, sub);
	if (!open_folder(&d, maildir, path))
		return false;
	while (d != NULL && (e = readdir(d)) != NULL) {
		const char *flags = strstr(e->d_name, ":2,");

		/* Maildir++: what is trashed does not count. */
		if (e->d_name[0] == '.' || (flags != NULL && strchr(flags, 'T') != NULL))
			continue;
		u->octets += message_size(dirfd(d), e->d_name);
		u->messages++;
	}
	if (d != NULL)
		(void)closedir(d);
	return text_ok(&t);
}

/* Every folder of the Maildir: itself, and ".Name" but the trash. */
static bool
count_maildir(int maildir, struct usage *u)
{
	struct dirent *e;
	bool whole = true;
	DIR *d;

	*u = (struct usage){ 0 };
	if (!open_folder(&d, maildir, ".") || d == NULL)
		return false;
	while ((e = readdir(d)) != NULL) {
		const char *name = e->d_name;

		if (name[0] != '.' || strcmp(name, "..") == 0 || strcmp(name, ".Trash") == 0)
			continue;
		whole &= count_directory(maildir, name, "/new", u);
		whole &= count_directory(maildir, name, "/cur", u);
	}
	(void)closedir(d);
	return whole;
}

static void
usage_line(struct text *t, const struct usage *u)
{
	char line[64];

	(void)snprintf(line, sizeof line, "%12lld %9lld\n", (long long)u->octets,
	               (long long)u->messages);
	text_add(t, line);
}

/* Counts, and writes the file anew by rename. It is a cache: not synced. */
static void
recount(int maildir, const struct domain *d, struct usage *u)
{
	char content[160], name[64];
	struct text t, n;
	int fd;

	if (!count_maildir(maildir, u)) {
		log_error("count a Maildir for its quota", errno);
		return; /* too small a number must not stay */
	}
	text_init(&t, content, sizeof content);
	quota_line(&t, d);
	usage_line(&t, u);
	text_init(&n, name, sizeof name);
	text_add(&n, "tmp/maildirsize.");
	text_addu(&n, (uint64_t)getpid());
	(void)unlinkat(maildir, name, 0); /* of a process with our number, long dead */
	fd = openat(maildir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1) {
		log_error("write maildirsize", errno);
		return;
	}
	if (write(fd, content, t.len) != (ssize_t)t.len ||
	    renameat(maildir, name, maildir, "maildirsize") == -1) {
		log_error("write maildirsize", errno);
		(void)unlinkat(maildir, name, 0); /* as well as can be done */
	}
	(void)close(fd); /* a cache: the next delivery counts again */
}

/* Between -2^bits and 2^bits: a file full of such numbers adds up without overflow. */
static bool
is_within(long long n, unsigned bits)
{
	return n >= -(1LL << bits) && n <= 1LL << bits;
}

/* Adds up "octets messages" lines; false when one is something else. */
static bool
add_lines(const char *s, struct usage *u, unsigned *lines)
{
	for (*lines = 0; *s != '\0'; ++*lines) {
		char *end;
		long long octets = strtoll(s, &end, 10);
		long long messages;

		if (end == s)
			return false;
		s = end;
		messages = strtoll(s, &end, 10);
		if (end == s || (*end != '\n' && *end != '\0') || !is_within(octets, 50) ||
		    !is_within(messages, 40))
			return false;
		u->octets += octets;
		u->messages += messages;
		s = end + (*end == '\n');
	}
	return true;
}

/* True when the file could be used as it is. */
static bool
read_usage(int maildir, const struct domain *d, struct usage *u)
{
	char content[LIMIT_MAILDIRSIZE + 1], own[64];
	struct stat st;
	struct text t;
	unsigned lines;
	ssize_t n;
	int fd = openat(maildir, "maildirsize", O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (fd == -1)
		return false;
	n = fstat(fd, &st) == 0 ? read(fd, content, sizeof content) : -1;
	(void)close(fd); /* only read */
	if (n <= 0 || n == (ssize_t)sizeof content || memchr(content, '\0', (size_t)n) != NULL)
		return false;
	content[n] = '\0';
	text_init(&t, own, sizeof own);
	quota_line(&t, d);
	*u = (struct usage){ 0 };
	if (strncmp(content, own, t.len) != 0 || !add_lines(content + t.len, u, &lines) ||
	    lines == 0)
		return false;
	u->settled = lines == 1 && time(NULL) - st.st_mtime < SETTLED_SECONDS;
	return true;
}

static bool
is_over(const struct domain *d, const struct usage *u, uint64_t size)
{
	uint64_t octets = u->octets > 0 ? (uint64_t)u->octets : 0;
	uint64_t messages = u->messages > 0 ? (uint64_t)u->messages : 0;

	/* At RCPT without SIZE= nothing is known but that it is not empty. */
	if (size == 0)
		size = 1;
	return (d->quota != 0 && (octets >= d->quota || size > d->quota - octets)) ||
	       (d->quota_messages != 0 && messages >= d->quota_messages);
}

enum answer
quota_check(int state, const char *path, const struct domain *d, uint64_t size)
{
	struct usage u = { 0 };
	int maildir;
	bool over;

	if (d->quota == 0 && d->quota_messages == 0)
		return ANSWER_YES;
	if (d->quota != 0 && size > d->quota)
		return ANSWER_NEVER_FITS;
	maildir = mailbox_open(state, path, "/Maildir", O_RDONLY | O_DIRECTORY);
	if (maildir == -1)
		return ANSWER_YES; /* made at first delivery; errors show there */
	if (!read_usage(maildir, d, &u) || (is_over(d, &u, size) && !u.settled))
		recount(maildir, d, &u); /* a reader may have removed mail unseen */
	over = is_over(d, &u, size);
	(void)close(maildir); /* only read */
	return over ? ANSWER_FULL : ANSWER_YES;
}

void
quota_add(int state, const char *path, const struct domain *d, uint64_t size)
{
	char line[64];
	struct text t;
	int fd;

	if (d->quota == 0 && d->quota_messages == 0)
		return;
	fd = mailbox_open(state, path, "/Maildir/maildirsize", O_WRONLY | O_APPEND);
	if (fd == -1)
		return; /* the next check counts all messages */
	text_init(&t, line, sizeof line);
	usage_line(&t, &(struct usage){ .octets = (int64_t)size, .messages = 1 });
	if (write(fd, line, t.len) == -1)
		log_error("write maildirsize", errno);
	(void)close(fd); /* a cache: counted again when in doubt */
}
