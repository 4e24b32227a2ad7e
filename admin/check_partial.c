/*
 * The part of `postern check` that looks at STATE/partial: messages of clients that were cut
 * off (CHECKPOINT). Only reads; a message being received just now is no finding.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "admin/check.h"
#include "admin/tree.h"
#include "base/partial_dir.h"
#include "keeper/partial_file.h"

static bool
is_older(int dir, const char *name, time_t before)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1 || st.st_mtime < before;
}

/* KEY.p, as a keeper reads it. */
static void
check_head(int dir, const char *name, const char *where, struct rows *out)
{
	char buf[PARTIAL_FILE + 1];
	struct partial_file f;
	const char *why = "longer than any";
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : pread(fd, buf, sizeof buf, 0);
	int err = errno;

	if (fd != -1)
		(void)close(fd); /* only read */
	if (n == -1 && err == ENOENT)
		return; /* done meanwhile */
	if (n == -1)
		why = strerror(err);
	if (n >= 0 && n <= PARTIAL_FILE) {
		buf[n] = '\0';
		if (strlen(buf) == (size_t)n && partial_file_parse(buf, &f, &why))
			return;
	}
	finding(out, CHECK_WARNING, where, "it is damaged (%s): its client begins the message anew"
	        ADVICE "nothing has to be done; it is removed when the client comes, or after %d "
	        "hours", why, LIMIT_PARTIAL_AGE / 3600);
}

static void
check_one(int dir, const char *name, const char *where, const struct stat *own,
          struct rows *out)
{
	time_t before = time(NULL) - LIMIT_PARTIAL_AGE - 3600; /* a run was missed, at least */
	enum partial_kind kind = partial_kind(name);
	char head[PARTIAL_NAME];
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return; /* done meanwhile */
	if (kind == PARTIAL_STRAY || !S_ISREG(st.st_mode)) {
		finding(out, CHECK_WARNING, where, "Postern has %s of that name" ADVICE "move it "
		        "away", kind == PARTIAL_STRAY ? "nothing" : "only files");
		return;
	}
	check_owner(out, where, &st, own->st_uid, 077);
	partial_head_name(head, name);
	if (st.st_mtime < before && is_older(dir, head, before))
		finding(out, CHECK_WARNING, where, "its client has not come back for more than %d "
		        "hours, and nobody has removed it" ADVICE "see that `flush --due` runs, by "
		        "postern-flush.timer or cron", LIMIT_PARTIAL_AGE / 3600);
	else if (kind == PARTIAL_HEAD)
		check_head(dir, name, where, out);
}

static void
check_room(int dir, const char *where, struct rows *out)
{
	struct partial_sum own, all;

	if (partial_count(dir, "", &own, &all) == 0 &&
	    (all.messages >= LIMIT_PARTIAL_ALL || all.octets >= LIMIT_PARTIAL_ALL_OCTETS ||
	     all.files >= LIMIT_PARTIAL_ALL_FILES))
		finding(out, CHECK_WARNING, where, "it is full: %llu messages, %llu MiB, %llu "
		        "transactions; others cannot be resumed" ADVICE "look whose they are (the "
		        "lines `owner` of the files *.p); `checkpoint = login` keeps strangers out",
		        (unsigned long long)all.messages, (unsigned long long)(all.octets >> 20),
		        (unsigned long long)all.files);
}

void
check_partial(int state, const struct admin *a, const struct stat *own, struct rows *out)
{
	const char *where = check_path(a, "partial");
	int dir = tree_open(state, "partial");
	struct rows names;

	if (dir == -1)
		return; /* its owner and mode are looked at elsewhere */
	if (tree_list(dir, &names) == -1)
		finding(out, CHECK_ERROR, where, "%s" ADVICE "let its owner read it",
		        strerror(errno));
	for (size_t i = 0; i < names.n; i++)
		check_one(dir, rows_get(&names, i, 0),
		          check_join(check_path(a, "partial"), rows_get(&names, i, 0)), own, out);
	rows_free(&names);
	check_room(dir, check_path(a, "partial"), out);
	tree_close(dir);
}
