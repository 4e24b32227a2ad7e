/*
 * The Mailbox grammar: one small reader for each rule of RFC 5321 4.1.2 and 4.1.3,
 * named after it. A reader returns the octets it took, 0 for "not here".
 */
#include "base/address.h"

#include <stdint.h>
#include <string.h>
#include <unistr.h>

#include "base/ip.h"

struct span {
	const char *s;
	size_t len;
};

static bool
is_alnum(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* RFC 5322 3.2.3 atext, with RFC 6531 3.3 UTF8-non-ascii. */
static bool
is_atext(unsigned char c)
{
	return c >= 0x80 || is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

bool
has_utf8(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s >= 0x80)
			return true;
	return false;
}

static bool
is_utf8(const char *s, size_t len)
{
	return u8_check((const uint8_t *)s, len) == NULL;
}

/* Dot-string = Atom *("." Atom) */
static size_t
read_dot_string(struct span in)
{
	size_t i = 0;

	for (;;) {
		size_t start = i;

		while (i < in.len && is_atext((unsigned char)in.s[i]))
			i++;
		if (i == start)
			return 0;
		if (i == in.len || in.s[i] != '.')
			return i;
		i++;
	}
}

/* Quoted-string = DQUOTE *QcontentSMTP DQUOTE; unquotes into t. */
static size_t
read_quoted_string(struct span in, struct text *t)
{
	size_t i = 1;

	if (in.len == 0 || in.s[0] != '"')
		return 0;
	for (; i < in.len && in.s[i] != '"'; i++) {
		if (in.s[i] == '\\' && ++i == in.len)
			return 0;
		if ((unsigned char)in.s[i] < ' ' || in.s[i] == 0x7f)
			return 0;
		text_addc(t, in.s[i]);
	}
	return i < in.len ? i + 1 : 0;
}

bool
is_domain(const char *s, size_t len)
{
	size_t label = 0;
	bool ascii = true;

	if (len == 0 || len > LIMIT_DOMAIN || s[len - 1] == '-' || !is_utf8(s, len))
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '.' || c == '-') {
			if (label == 0 || (c == '.' && s[i - 1] == '-'))
				return false;
			label = c == '.' ? 0 : label + 1;
			ascii |= c == '.';
		} else if (c >= 0x80 || is_alnum(c)) {
			label++;
			ascii &= c < 0x80;
		} else {
			return false;
		}
		/* RFC 1035 2.3.4; of a U-label it counts the A-label (RFC 5890 2.3.2.1). */
		if (label > 63 && ascii)
			return false;
	}
	return label > 0;
}

bool
is_greeting_name(const char *s)
{
	size_t len = strlen(s);

	if (len == 0 || len > LIMIT_DOMAIN)
		return false;
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s > '~' || strchr("()<>\"\\,;@", *s) != NULL)
			return false;
	return true;
}

/* The inside of "[...]": IPv4, IPv6:..., or Standardized-tag ":" 1*dcontent. */
static bool
is_literal(const char *s, size_t len)
{
	char inside[LIMIT_DOMAIN + 1];
	struct ip ip;
	const char *colon;

	if (len == 0 || len >= sizeof inside)
		return false;
	for (size_t i = 0; i < len; i++)
		if (s[i] < '!' || s[i] > '~' || s[i] == '[' || s[i] == '\\')
			return false;
	memcpy(inside, s, len);
	inside[len] = '\0';
	colon = strchr(inside, ':');
	if (colon == NULL)
		return parse_ip(inside, &ip);
	if (strncasecmp(inside, "IPv6:", 5) == 0)
		return strchr(inside + 5, ':') != NULL && parse_ip(inside + 5, &ip);
	if (colon[1] == '\0' || colon[-(colon > inside)] == '-')
		return false;
	for (const char *p = inside; p < colon; p++)
		if (!is_alnum((unsigned char)*p) && *p != '-')
			return false;
	return colon > inside;
}

static size_t
read_domain(struct span in)
{
	size_t i = 0;

	if (in.len > 0 && in.s[0] == '[') {
		const char *end = memchr(in.s, ']', in.len);
		size_t len = end != NULL ? (size_t)(end - in.s) : 0;

		return len > 0 && is_literal(in.s + 1, len - 1) ? len + 1 : 0;
	}
	while (i < in.len && ((unsigned char)in.s[i] >= 0x80 || in.s[i] == '-' ||
	                      in.s[i] == '.' || is_alnum((unsigned char)in.s[i])))
		i++;
	return is_domain(in.s, i) ? i : 0;
}

static size_t
read_local(struct address *a, struct span in)
{
	struct text t;
	size_t n;

	text_init(&t, a->local, sizeof a->local);
	n = read_quoted_string(in, &t);
	if (n == 0) {
		text_init(&t, a->local, sizeof a->local);
		n = read_dot_string(in);
		text_addn(&t, in.s, n);
	}
	/* `"" @` is grammatical, but no mailbox can have that name. */
	return text_ok(&t) && t.len > 0 && is_utf8(a->local, t.len) ? n : 0;
}

size_t
address_read(struct address *a, const char *s, size_t len)
{
	struct text t;
	size_t local, domain;

	local = read_local(a, (struct span){ s, len });
	if (local == 0 || local == len || s[local] != '@')
		return 0;
	local++;
	domain = read_domain((struct span){ s + local, len - local });
	text_init(&t, a->domain, sizeof a->domain);
	text_addn(&t, s + local, domain);
	return domain > 0 && text_ok(&t) ? local + domain : 0;
}

bool
parse_address(const char *s, struct address *a)
{
	size_t len = strlen(s);

	return len > 0 && address_read(a, s, len) == len;
}

void
address_text(struct text *t, const struct address *a)
{
	size_t len = strlen(a->local);

	if (read_dot_string((struct span){ a->local, len }) == len) {
		text_add(t, a->local);
	} else {
		text_addc(t, '"');
		for (const char *p = a->local; *p != '\0'; p++) {
			if (*p == '"' || *p == '\\')
				text_addc(t, '\\');
			text_addc(t, *p);
		}
		text_addc(t, '"');
	}
	if (a->domain[0] != '\0') {
		text_addc(t, '@');
		text_add(t, a->domain);
	}
}

static bool
is_printable(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

bool
is_address_safe(const char *local, const char *domain)
{
	size_t llen = strlen(local);
	size_t dlen = strlen(domain);

	if (llen > LIMIT_LOCAL || dlen > LIMIT_DOMAIN + 2 || !is_printable(local) ||
	    !is_utf8(local, llen) || (dlen > 0 && llen == 0))
		return false;
	return dlen == 0 || read_domain((struct span){ domain, dlen }) == dlen;
}
