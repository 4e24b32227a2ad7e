/*
 * When a domain's queue is due, and which of its next hops are left alone for a while:
 * spool/DOMAIN/retry, text, one `KEY value...` a line:
 *
 *	postern-retry 1
 *	host 192.0.2.1/25 1795346553 3 4.4.1 connection+20refused
 *
 * (not before, failures in a row, what went wrong last, as xtext.) Its modification time
 * is when the domain is due, so a timer's run reads no file. What a crash leaves of it, or
 * somebody's edit, costs at most one attempt too many or too late.
 */
#ifndef RELAY_SCHEDULE_H
#define RELAY_SCHEDULE_H

#include <stdbool.h>
#include <time.h>

#include "base/conf.h"
#include "base/limits.h"

/* "ADDRESS/PORT", or a path; "dns" for the route itself. */
#define SCHEDULE_NAME (LIMIT_DOMAIN + 8)
#define SCHEDULE_CODE 16
#define SCHEDULE_TEXT 200
/* Two sorts of each hop of a route, and the route. */
#define SCHEDULE_HOSTS (2 * LIMIT_HOPS + 2)

struct schedule_host {
	char name[SCHEDULE_NAME];
	time_t until;        /* not to be tried before */
	unsigned failures;   /* in a row */
	char code[SCHEDULE_CODE];
	char text[SCHEDULE_TEXT];
};

struct schedule {
	unsigned n;
	struct schedule_host host[SCHEDULE_HOSTS];
	bool changed;        /* since it was read */
};

/* Reads fd, which may hold anything: 1; 0: it is damaged, and s is empty; -1: errno. */
int schedule_read(int fd, struct schedule *s);

/* Writes fd anew, in place. 0, or -1 with errno. */
int schedule_write(int fd, const struct schedule *s);

/* The host, if it is known to have failed; NULL otherwise. */
const struct schedule_host *schedule_find(const struct schedule *s, const char *name);

/* True while it is to be left alone. A time further ahead than any backoff is none. */
bool schedule_is_down(const struct schedule *s, const char *name, const struct conf *c,
                      time_t now);

/* It failed once more: left alone for longer than the last time. */
void schedule_failed(struct schedule *s, const char *name, const struct conf *c, time_t now,
                     const char *code, const char *text);

/* It works. */
void schedule_works(struct schedule *s, const char *name);

/*
 * Seconds to the next attempt after n failures (1 the first): doubled each time from
 * retry-min up to retry-max, a quarter more or less by chance, so that what failed
 * together does not come back together.
 */
time_t schedule_backoff(const struct conf *c, unsigned n);

/*
 * Is the queue of domain, a directory in spool, due? No retry file: it is. Nor is
 * something new missed that nobody told flush of: then the directory is younger than the
 * file. Two system calls.
 */
bool schedule_is_due(int spool, const char *domain, const struct conf *c, time_t now);

/* Sets when the domain is due. 0, or -1 with errno. */
int schedule_set_due(int fd, time_t due);

#endif
