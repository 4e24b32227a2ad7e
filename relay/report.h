/*
 * Reports to senders (RFC 3461 to 3464, RFC 6533) as whole messages with LF line ends.
 * Who gets one, and when, is the runner's to decide (notice.h).
 */
#ifndef RELAY_REPORT_H
#define RELAY_REPORT_H

#include <time.h>

#include "base/conf.h"
#include "base/envelope.h"
#include "relay/outcome.h"

enum report_kind {
	REPORT_FAILED,
	REPORT_DELAYED,
	REPORT_RELAYED,   /* by a hop that reports no success itself */
	REPORT_DELIVERED, /* here, into a mailbox */
	/* Mail without a sender failed: to the postmaster, who gets its header only. */
	REPORT_DOUBLE,
};

struct report {
	const struct conf *conf;
	enum report_kind kind;
	const struct envelope *e;
	int message_fd;
	unsigned n;                        /* of which: indexes of e->to */
	const unsigned short *which;
	const struct outcome *outcomes;    /* of e->to, by index; NULL for DELIVERED */
	const char *host, *address;        /* of the hop that was tried last, or "" */
	time_t now;
};

/* Writes the message to fd, a file at its start. 0, or -1 with errno. */
int report_write(int fd, const struct report *r);

/* A notice to the postmaster in plain text: a file of a queue was set aside. 0 or -1. */
int report_notice(int fd, const struct conf *c, const char *domain, const char *file,
                  const char *why, time_t now);

/* The field that marks a double bounce, without value: reason not to make another one. */
#define REPORT_DOUBLE_FIELD "Postern-Double-Bounce:"

/* True when the header of e's message has that field. */
bool report_is_double(const struct envelope *e, int message_fd);

/*
 * Backscatter: counts a report to a sender of this domain in STATE/reports, and is true when
 * there were `limit` already in this hour (0: never). Two domains that share a place in that
 * table begin anew in turns; so does all of it when it can't be read.
 */
bool report_is_over(int state, const char *domain, uint64_t limit, time_t now);

#endif
