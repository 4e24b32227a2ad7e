/*
 * What MAIL may say about when: DELIVERBY (RFC 2852), FUTURERELEASE (RFC 4865) and
 * MT-PRIORITY (RFC 6710). Values as they stand on the wire, and times made of them. Pure.
 */
#ifndef BASE_TIMED_H
#define BASE_TIMED_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/text.h"

/* RFC 2852 4, RFC 4865 3: seconds have nine digits at most. */
#define TIMED_SECONDS_MAX 999999999
/* RFC 6710 5. */
#define PRIORITY_MIN (-9)
#define PRIORITY_MAX 9
/* RFC 6758 4, with its blank. */
#define PRIORITY_FIELD "MT-Priority: "

enum by_mode {
	BY_NONE = 0,
	BY_RETURN = 'R', /* late is never: it fails */
	BY_NOTIFY = 'N', /* late is reported, and delivered */
};

struct deliver_by {
	enum by_mode mode;
	bool trace;      /* each hop reports that it has passed the message on */
	time_t when;     /* by then; may be past with BY_NOTIFY */
};

/*
 * "120;R", "-5;NT": by->when is seconds from now on, so far. False for bad syntax, and
 * for mode R without any time left (RFC 2852 4).
 */
bool parse_by(const char *s, struct deliver_by *by);

/* "RT": what stands behind the semicolon. False for what is none. */
bool parse_by_mode(const char *s, struct deliver_by *by);

/* Appends mode and trace, "RT". */
void by_mode_text(struct text *t, const struct deliver_by *by);

/*
 * Appends the BY of a relayed message: the seconds that are left at `now`, "+" never
 * written, at most nine digits either way (RFC 2852 4.1.4).
 */
void by_text(struct text *t, const struct deliver_by *by, time_t now);

/* True when no second is left of it. */
bool by_is_over(const struct deliver_by *by, time_t now);

/* HOLDFOR: 1 to 999999999 seconds. */
bool parse_hold_for(const char *s, uint64_t *seconds);

/*
 * HOLDUNTIL: date-time of RFC 3339 5.6, such as 2026-11-22T18:00:00Z or with an offset;
 * T and Z in either case, years from 1970 on. A leap second counts as the next one.
 */
bool parse_hold_until(const char *s, time_t *when);

/* MT-PRIORITY: "-9" to "9", no "+", no "-0", no leading zero. */
bool parse_priority(const char *s, int *priority);

/* Appends it in that form. */
void priority_text(struct text *t, int priority);
#endif
