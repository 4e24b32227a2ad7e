/* See timed.h. Read by the session, and once more by the keeper, which believes nothing. */
#include "base/timed.h"

#include <string.h>

#include "base/num.h"

/* -- DELIVERBY --------------------------------------------------------------------------- */

bool
parse_by_mode(const char *s, struct deliver_by *by)
{
	bool is_return = s[0] == 'R' || s[0] == 'r';

	if (!is_return && s[0] != 'N' && s[0] != 'n')
		return false;
	by->mode = is_return ? BY_RETURN : BY_NOTIFY;
	by->trace = s[1] == 'T' || s[1] == 't';
	return s[1] == '\0' || (by->trace && s[2] == '\0');
}

bool
parse_by(const char *s, struct deliver_by *by)
{
	bool minus = s[0] == '-';
	const char *digits = s + (minus || s[0] == '+');
	size_t len = strcspn(digits, ";");
	char number[10];
	struct text t;
	uint64_t n;

	text_init(&t, number, sizeof number);
	text_addn(&t, digits, len);
	if (!text_ok(&t) || digits[len] != ';' || !parse_u64(number, TIMED_SECONDS_MAX, &n) ||
	    !parse_by_mode(digits + len + 1, by))
		return false;
	by->when = minus ? -(time_t)n : (time_t)n;
	return by->mode == BY_NOTIFY || by->when > 0;
}

void
by_mode_text(struct text *t, const struct deliver_by *by)
{
	text_addc(t, (char)by->mode);
	if (by->trace)
		text_addc(t, 'T');
}

void
by_text(struct text *t, const struct deliver_by *by, time_t now)
{
	time_t left = by->when - now;

	if (left > TIMED_SECONDS_MAX)
		left = TIMED_SECONDS_MAX;
	if (left < -TIMED_SECONDS_MAX)
		left = -TIMED_SECONDS_MAX;
	if (left < 0)
		text_addc(t, '-');
	text_addu(t, (uint64_t)(left < 0 ? -left : left));
	text_addc(t, ';');
	by_mode_text(t, by);
}

bool
by_is_over(const struct deliver_by *by, time_t now)
{
	return by->mode != BY_NONE && by->when <= now;
}

/* -- FUTURERELEASE ----------------------------------------------------------------------- */

bool
parse_hold_for(const char *s, uint64_t *seconds)
{
	return strlen(s) <= 9 && parse_u64(s, TIMED_SECONDS_MAX, seconds) && *seconds > 0;
}

/* So many digits at *s, from low to high; they are passed over. */
static bool
take_digits(const char **s, unsigned count, unsigned low, unsigned high, unsigned *out)
{
	*out = 0;
	for (unsigned i = 0; i < count; i++) {
		if ((*s)[i] < '0' || (*s)[i] > '9')
			return false;
		*out = *out * 10 + (unsigned)((*s)[i] - '0');
	}
	*s += count;
	return *out >= low && *out <= high;
}

static bool
take_char(const char **s, char c)
{
	char have = **s;

	if (have != c && (c < 'A' || have != c - 'A' + 'a'))
		return false;
	++*s;
	return true;
}

static bool
is_leap(unsigned year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from 1970-01-01 on; false: the month has no such day. */
static bool
count_days(unsigned year, unsigned month, unsigned mday, int64_t *days)
{
	static const unsigned short before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304,
	                                         334, 365 };
	unsigned leap = is_leap(year);
	unsigned length = before[month] - before[month - 1] + (month == 2 ? leap : 0);
	unsigned past = year - 1;

	if (mday > length)
		return false;
	/* 719162 of them lie before 1970. */
	*days = (int64_t)past * 365 + past / 4 - past / 100 + past / 400 - 719162 +
	        before[month - 1] + (month > 2 ? leap : 0) + mday - 1;
	return true;
}

/* "Z", or "+01:00": seconds east of Greenwich. */
static bool
take_offset(const char **s, int64_t *offset)
{
	bool west = **s == '-';
	unsigned hours, minutes;

	*offset = 0;
	if (take_char(s, 'Z'))
		return true;
	if (!west && **s != '+')
		return false;
	++*s;
	if (!take_digits(s, 2, 0, 23, &hours) || !take_char(s, ':') ||
	    !take_digits(s, 2, 0, 59, &minutes))
		return false;
	*offset = (int64_t)hours * 3600 + (int64_t)minutes * 60;
	if (west)
		*offset = -*offset;
	return true;
}

bool
parse_hold_until(const char *s, time_t *when)
{
	unsigned year, month, mday, hour, minute, second;
	int64_t days, offset;

	if (!take_digits(&s, 4, 1970, 9999, &year) || !take_char(&s, '-') ||
	    !take_digits(&s, 2, 1, 12, &month) || !take_char(&s, '-') ||
	    !take_digits(&s, 2, 1, 31, &mday) || !take_char(&s, 'T') ||
	    !take_digits(&s, 2, 0, 23, &hour) || !take_char(&s, ':') ||
	    !take_digits(&s, 2, 0, 59, &minute) || !take_char(&s, ':') ||
	    !take_digits(&s, 2, 0, 60, &second) || !count_days(year, month, mday, &days))
		return false;
	/* Parts of a second do not matter here. */
	if (take_char(&s, '.')) {
		size_t len = strspn(s, "0123456789");

		if (len == 0)
			return false;
		s += len;
	}
	if (!take_offset(&s, &offset) || *s != '\0')
		return false;
	*when = days * 86400 + hour * 3600 + minute * 60 + second - offset;
	return *when >= 0;
}

/* -- MT-PRIORITY ------------------------------------------------------------------------- */

bool
parse_priority(const char *s, int *priority)
{
	bool minus = s[0] == '-';

	s += minus;
	if (s[0] < '0' || s[0] > '9' || s[1] != '\0' || (minus && s[0] == '0'))
		return false;
	*priority = minus ? -(s[0] - '0') : s[0] - '0';
	return true;
}

void
priority_text(struct text *t, int priority)
{
	if (priority < 0)
		text_addc(t, '-');
	text_addc(t, (char)('0' + (priority < 0 ? -priority : priority)));
}
