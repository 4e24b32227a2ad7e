/* Decimal numbers with checked arithmetic; see num.h. Pure functions. */
#include "base/num.h"

#include <stddef.h>

/* Reads digits from *s on; leaves *s behind them. */
static bool
read_digits(const char **s, uint64_t *out)
{
	const char *p = *s;
	uint64_t n = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(n, (uint64_t)10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return false;
	}
	*s = p;
	*out = n;
	return true;
}

bool
parse_u64(const char *s, uint64_t max, uint64_t *out)
{
	uint64_t n;

	if (!read_digits(&s, &n) || *s != '\0' || n > max)
		return false;
	*out = n;
	return true;
}

struct suffix {
	char letter;
	uint64_t factor;
};

static bool
parse_suffixed(const char *s, const struct suffix *suffixes, uint64_t max, uint64_t *out)
{
	uint64_t n;
	uint64_t factor = 1;

	if (!read_digits(&s, &n))
		return false;
	if (*s != '\0') {
		while (suffixes->letter != '\0' && suffixes->letter != *s)
			suffixes++;
		if (suffixes->letter == '\0' || s[1] != '\0')
			return false;
		factor = suffixes->factor;
	}
	if (__builtin_mul_overflow(n, factor, &n) || n > max)
		return false;
	*out = n;
	return true;
}

bool
parse_size(const char *s, uint64_t max, uint64_t *out)
{
	static const struct suffix sizes[] = {
		{ 'K', (uint64_t)1 << 10 }, { 'M', (uint64_t)1 << 20 },
		{ 'G', (uint64_t)1 << 30 }, { 'T', (uint64_t)1 << 40 }, { '\0', 0 },
	};

	return parse_suffixed(s, sizes, max, out);
}

bool
parse_seconds(const char *s, uint64_t max, uint64_t *out)
{
	static const struct suffix times[] = {
		{ 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { '\0', 0 },
	};

	return parse_suffixed(s, times, max, out);
}

bool
parse_range(const char **s, uint64_t max, uint64_t *from, uint64_t *to)
{
	const char *p = *s;

	if (!read_digits(&p, from))
		return false;
	*to = *from;
	if (*p == '-' && (p++, !read_digits(&p, to)))
		return false;
	if (*from > *to || *to > max || (*p != '\0' && (*p != ' ' || p[1] == '\0')))
		return false;
	*s = p + (*p == ' ');
	return true;
}
