/*
 * MTA-STS (RFC 8461): the TXT record, the policy's file, and the form in which a policy is
 * kept and travels between our processes. Pure functions; all they read is foreign.
 */
#ifndef BASE_STS_H
#define BASE_STS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/text.h"

#define STS_ID 32                  /* RFC 8461 3.1 */
#define STS_MAX_AGE 31557600       /* RFC 8461 3.2: a year */

enum sts_mode { STS_NONE, STS_TESTING, STS_ENFORCE };

struct sts_policy {
	char id[STS_ID + 1];       /* of the record it was fetched for, "" = not known */
	enum sts_mode mode;
	uint64_t fetched;          /* seconds since 1970 */
	uint64_t max_age;          /* seconds from there on */
	char mx[LIMIT_STS - 256];  /* patterns, separated by blanks */
};

/* Not a record of ours (other text at that name), one that is broken, or one with an id. */
enum sts_record { STS_RECORD_OTHER, STS_RECORD_BROKEN, STS_RECORD_GOOD };
enum sts_record sts_parse_record(const char *txt, size_t len, char id[STS_ID + 1]);

/*
 * The file at .well-known/mta-sts.txt: fills mode, max_age and mx, and clears the rest.
 * False, and *why says what is wrong (static text).
 */
bool sts_parse_file(const char *s, size_t len, struct sts_policy *p, const char **why);

/* RFC 8461 4.1: does a pattern allow this mail server? */
bool sts_allows(const struct sts_policy *p, const char *host);

/* Still to be honoured at `now`? Time to look for a newer one (RFC 8461 3.3, 10.2)? */
bool sts_is_current(const struct sts_policy *p, uint64_t now);
bool sts_is_stale(const struct sts_policy *p, uint64_t now);

/* As kept: `postern-sts 1`, then one `KEY value` a line. At most LIMIT_STS octets. */
void sts_write(struct text *t, const struct sts_policy *p);
bool sts_read(const char *s, struct sts_policy *p);

/* "none", "testing", "enforce"; false for another word. */
const char *sts_mode_text(enum sts_mode mode);
bool parse_sts_mode(const char *s, enum sts_mode *mode);

/* Patterns as in `mx`: one or more, each a domain or "*." and a domain. */
bool is_sts_patterns(const char *s);

#endif
