/* Counts the files that appear in a directory, by link or rename: delivered mail. */
#ifndef TESTS_BENCH_ARRIVALS_H
#define TESTS_BENCH_ARRIVALS_H

#include <err.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "tests/bench/series.h"

struct arrivals {
	int fd;          /* readable when there is something to count */
	size_t count;
	uint64_t last;   /* when, as series_now() tells it */
};

/* -1 with errno. */
static inline int
arrivals_open(struct arrivals *a, const char *directory)
{
	a->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	return a->fd == -1 ? -1 : inotify_add_watch(a->fd, directory, IN_CREATE | IN_MOVED_TO);
}

static inline void
arrivals_read(struct arrivals *a)
{
	_Alignas(struct inotify_event) char buf[64 * 1024];
	ssize_t n = read(a->fd, buf, sizeof buf);

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const void *)(buf + at);

		if (e->mask & IN_Q_OVERFLOW)
			errx(111, "too many files at once to count them");
		a->count++;
		at += (ssize_t)(sizeof *e + e->len);
	}
	a->last = series_now();
}

#endif
