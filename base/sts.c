/* See sts.h. The grammars are those of RFC 8461 3.1 and 3.2. */
#include "base/sts.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/address.h"
#include "base/num.h"

#define VERSION "STSv1"
#define STALE 86400 /* RFC 8461 10.2 speaks of once a day */

static bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_wsp(char c)
{
	return c == ' ' || c == '\t';
}

/* Takes the blanks off both ends. */
static void
trim(const char **s, size_t *len)
{
	while (*len > 0 && is_wsp(**s)) {
		++*s;
		--*len;
	}
	while (*len > 0 && is_wsp((*s)[*len - 1]))
		--*len;
}

/* sts-ext-name, and the two names of ours: letter or digit, then also "_", "-", ".". */
static bool
is_field_name(const char *s, size_t len)
{
	if (len == 0 || len > 32 || !is_alnum(s[0]))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!is_alnum(s[i]) && strchr("_-.", s[i]) == NULL)
			return false;
	return true;
}

static bool
is_id(const char *s, size_t len)
{
	if (len == 0 || len > STS_ID)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(s[i]))
			return false;
	return true;
}

/* One field of the record, blanks around it gone. */
static bool
take_field(const char *s, size_t len, char id[STS_ID + 1])
{
	const char *equals = memchr(s, '=', len);
	size_t name, value;

	if (equals == NULL)
		return false;
	name = (size_t)(equals - s);
	value = len - name - 1;
	if (!is_field_name(s, name) || value == 0)
		return false;
	for (size_t i = 1; i <= value; i++)
		if (equals[i] <= ' ' || equals[i] > '~' || equals[i] == '=')
			return false;
	if (name != 2 || memcmp(s, "id", 2) != 0 || id[0] != '\0')
		return true;
	if (!is_id(equals + 1, value))
		return false;
	memcpy(id, equals + 1, value);
	id[value] = '\0';
	return true;
}

enum sts_record
sts_parse_record(const char *txt, size_t len, char id[STS_ID + 1])
{
	static const char version[] = "v=" VERSION;
	size_t at = sizeof version - 1;

	id[0] = '\0';
	if (len < at || memcmp(txt, version, at) != 0)
		return STS_RECORD_OTHER;
	while (at < len && is_wsp(txt[at]))
		at++;
	if (at == len || txt[at] != ';')
		return at == len ? STS_RECORD_BROKEN : STS_RECORD_OTHER;
	while (at++ < len) {
		const char *s = txt + at;
		const char *semicolon = memchr(s, ';', len - at);
		size_t n = semicolon != NULL ? (size_t)(semicolon - s) : len - at;

		at += n;
		trim(&s, &n);
		if (n == 0 && semicolon == NULL)
			break; /* the last delimiter may be there or not */
		if (!take_field(s, n, id)) {
			id[0] = '\0';
			return STS_RECORD_BROKEN;
		}
	}
	return id[0] != '\0' ? STS_RECORD_GOOD : STS_RECORD_BROKEN;
}

static const char *const modes[] = { "none", "testing", "enforce" };

const char *
sts_mode_text(enum sts_mode mode)
{
	return modes[mode];
}

bool
parse_sts_mode(const char *s, enum sts_mode *mode)
{
	for (unsigned i = 0; i < sizeof modes / sizeof modes[0]; i++)
		if (strcmp(s, modes[i]) == 0) {
			*mode = (enum sts_mode)i;
			return true;
		}
	return false;
}

static bool
is_pattern(const char *s, size_t len)
{
	if (len > 2 && s[0] == '*' && s[1] == '.') {
		s += 2;
		len -= 2;
	}
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] > '~') /* RFC 8461 3.2: A-labels */
			return false;
	return is_domain(s, len);
}

bool
is_sts_patterns(const char *s)
{
	if (*s == '\0')
		return false;
	for (;;) {
		size_t len = strcspn(s, " ");

		if (!is_pattern(s, len))
			return false;
		if (s[len] == '\0')
			return true;
		s += len + 1;
	}
}

/* What a file has said so far. */
enum { SEEN_VERSION = 1, SEEN_MODE = 2, SEEN_MAX_AGE = 4 };

static const char *
take_mx(struct sts_policy *p, const char *value, size_t len)
{
	struct text t = { .buf = p->mx, .cap = sizeof p->mx, .len = strlen(p->mx) };

	if (!is_pattern(value, len))
		return "mx: expected a host name, or *. and a domain";
	if (t.len > 0)
		text_addc(&t, ' ');
	text_addn(&t, value, len);
	return text_ok(&t) ? NULL : "more mail servers than we keep";
}

/* RFC 8461 3.2: of a key that comes twice the first one counts, but for mx. */
static const char *
take_pair(struct sts_policy *p, unsigned *seen, const char *key, const char *value, size_t len)
{
	char s[16] = "";

	if (strcmp(key, "mx") == 0)
		return take_mx(p, value, len);
	if (len < sizeof s)
		memcpy(s, value, len);
	if (strcmp(key, "version") == 0) {
		if (!(*seen & SEEN_VERSION) && strcmp(s, VERSION) != 0)
			return "version: expected " VERSION;
		*seen |= SEEN_VERSION;
	} else if (strcmp(key, "mode") == 0) {
		if (!(*seen & SEEN_MODE) && !parse_sts_mode(s, &p->mode))
			return "mode: expected enforce, testing or none";
		*seen |= SEEN_MODE;
	} else if (strcmp(key, "max_age") == 0) {
		if (!(*seen & SEEN_MAX_AGE) && (strlen(s) > 10 || !parse_u64(s, UINT64_MAX, &p->max_age)))
			return "max_age: expected seconds";
		*seen |= SEEN_MAX_AGE;
	}
	return NULL;
}

static const char *
take_line(struct sts_policy *p, unsigned *seen, const char *s, size_t len)
{
	const char *colon = memchr(s, ':', len);
	size_t name = colon != NULL ? (size_t)(colon - s) : 0;
	const char *value;
	char key[33];

	if (colon == NULL || !is_field_name(s, name))
		return "expected lines of a name, a colon and a value";
	memcpy(key, s, name);
	key[name] = '\0';
	value = colon + 1;
	len -= name + 1;
	trim(&value, &len);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)value[i] < ' ' || value[i] == 0x7f)
			return "control character";
	return take_pair(p, seen, key, value, len);
}

bool
sts_parse_file(const char *s, size_t len, struct sts_policy *p, const char **why)
{
	unsigned seen = 0;

	memset(p, 0, sizeof *p);
	*why = NULL;
	while (len > 0 && *why == NULL) {
		const char *lf = memchr(s, '\n', len);
		size_t n = lf != NULL ? (size_t)(lf - s) : len;
		size_t line = n;

		if (line > 0 && s[line - 1] == '\r')
			line--; /* RFC 8461 3.2: LF or CRLF */
		if (line > 0)
			*why = take_line(p, &seen, s, line);
		n += lf != NULL;
		s += n;
		len -= n;
	}
	if (*why != NULL)
		return false;
	if (seen != (SEEN_VERSION | SEEN_MODE | SEEN_MAX_AGE))
		*why = "expected version, mode and max_age";
	else if (p->mode != STS_NONE && p->mx[0] == '\0')
		*why = "no mx, and the mode is not none";
	if (p->max_age > STS_MAX_AGE)
		p->max_age = STS_MAX_AGE;
	return *why == NULL;
}

/* RFC 8461 4.1: the star stands for exactly one label. */
static bool
matches(const char *pattern, size_t len, const char *host)
{
	if (pattern[0] == '*') {
		const char *dot = strchr(host, '.');

		if (dot == NULL || dot == host)
			return false;
		host = dot;
		pattern++;
		len--;
	}
	return strlen(host) == len && strncasecmp(host, pattern, len) == 0;
}

bool
sts_allows(const struct sts_policy *p, const char *host)
{
	const char *s = p->mx;

	while (*s != '\0') {
		size_t len = strcspn(s, " ");

		if (len > 0 && matches(s, len, host))
			return true;
		s += len;
		s += *s == ' ';
	}
	return false;
}

bool
sts_is_current(const struct sts_policy *p, uint64_t now)
{
	/* A clock that was set back must not make a policy eternal. */
	return now >= p->fetched && now - p->fetched < p->max_age;
}

bool
sts_is_stale(const struct sts_policy *p, uint64_t now)
{
	return !sts_is_current(p, now) || now - p->fetched >= STALE ||
	       now - p->fetched >= p->max_age / 2;
}

static void
add_line(struct text *t, const char *key, const char *value)
{
	text_add(t, key);
	text_addc(t, ' ');
	text_add(t, value);
	text_addc(t, '\n');
}

void
sts_write(struct text *t, const struct sts_policy *p)
{
	add_line(t, "postern-sts", "1");
	if (p->id[0] != '\0')
		add_line(t, "id", p->id);
	text_add(t, "fetched ");
	text_addu(t, p->fetched);
	text_add(t, "\nmax-age ");
	text_addu(t, p->max_age);
	text_addc(t, '\n');
	add_line(t, "mode", sts_mode_text(p->mode));
	if (p->mx[0] != '\0')
		add_line(t, "mx", p->mx);
}

/* The value of the next line if its key is this one; *s goes on behind it. */
static bool
next_value(const char **s, const char *key, char *out, size_t cap)
{
	size_t n = strlen(key);
	const char *lf = strchr(*s, '\n');
	size_t len;

	if (lf == NULL || strncmp(*s, key, n) != 0 || (*s)[n] != ' ')
		return false;
	len = (size_t)(lf - *s) - n - 1;
	if (len >= cap)
		return false;
	memcpy(out, *s + n + 1, len);
	out[len] = '\0';
	*s = lf + 1;
	return true;
}

bool
sts_read(const char *s, struct sts_policy *p)
{
	char value[24];

	memset(p, 0, sizeof *p);
	if (!next_value(&s, "postern-sts", value, sizeof value) || strcmp(value, "1") != 0)
		return false;
	if (next_value(&s, "id", p->id, sizeof p->id) && !is_id(p->id, strlen(p->id)))
		return false;
	if (!next_value(&s, "fetched", value, sizeof value) ||
	    !parse_u64(value, INT64_MAX, &p->fetched) ||
	    !next_value(&s, "max-age", value, sizeof value) ||
	    !parse_u64(value, STS_MAX_AGE, &p->max_age) ||
	    !next_value(&s, "mode", value, sizeof value) || !parse_sts_mode(value, &p->mode))
		return false;
	if (next_value(&s, "mx", p->mx, sizeof p->mx) && !is_sts_patterns(p->mx))
		return false;
	return *s == '\0' && (p->mx[0] != '\0' || p->mode == STS_NONE);
}
