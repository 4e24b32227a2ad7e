/* See digest.h. One row for each directive. */
#include "auth/digest.h"

#include <stddef.h>
#include <string.h>
#include <unistr.h>

#define AT(member) offsetof(struct digest, member), sizeof((struct digest *)0)->member

static const struct directive {
	const char *name;
	size_t offset, cap;
	bool needed;
} directives[] = {
	{ "username", AT(username), true },
	{ "realm", AT(realm), false },
	{ "nonce", AT(nonce), true },
	{ "cnonce", AT(cnonce), true },
	{ "nc", AT(nc), true },
	{ "qop", AT(qop), false },
	{ "digest-uri", AT(uri), true },
	{ "response", AT(response), true },
	{ "charset", AT(charset), false },
	{ "authzid", AT(authorize), false },
	{ "maxbuf", AT(maxbuf), false },
	{ "cipher", AT(cipher), false },
};

#define N (sizeof directives / sizeof directives[0])

static const char *
skip_blanks(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

/* RFC 2831 7.1: token, any octet but controls and separators. */
static size_t
token_length(const char *p)
{
	size_t n = 0;

	while (p[n] > ' ' && p[n] < 0x7f && strchr("()<>@,;:\\\"/[]?={}", p[n]) == NULL)
		n++;
	return n;
}

/* A token or a quoted-string into t; what is behind it, or NULL. */
static const char *
read_value(const char *p, struct text *t)
{
	if (*p != '"') {
		size_t len = token_length(p);

		text_addn(t, p, len);
		return len > 0 ? p + len : NULL;
	}
	for (p++; *p != '"'; p++) {
		if (*p == '\\')
			p++;
		if (*p == '\0')
			return NULL;
		text_addc(t, *p);
	}
	return p + 1;
}

/* name "=" value: what is behind it, or NULL. */
static const char *
read_directive(struct digest *d, const char *p, unsigned *seen)
{
	size_t len = token_length(p);
	const char *name = p;
	struct text t;

	p = skip_blanks(p + len);
	if (len == 0 || *p != '=')
		return NULL;
	p = skip_blanks(p + 1);
	for (unsigned i = 0; i < N; i++) {
		const struct directive *row = &directives[i];

		if (strlen(row->name) != len || strncasecmp(row->name, name, len) != 0)
			continue;
		if ((*seen & 1U << i) != 0)
			return NULL;
		*seen |= 1U << i;
		text_init(&t, (char *)d + row->offset, row->cap);
		p = read_value(p, &t);
		return text_ok(&t) ? p : NULL;
	}
	/* auth-param: RFC 2831 7.1 has unknown ones ignored. */
	{
		char ignored[DIGEST_VALUE];

		text_init(&t, ignored, sizeof ignored);
		p = read_value(p, &t);
		return text_ok(&t) ? p : NULL;
	}
}

static bool
is_complete(const struct digest *d, unsigned seen)
{
	for (unsigned i = 0; i < N; i++)
		if (directives[i].needed && (seen & 1U << i) == 0)
			return false;
	/* A nonce serves once, so the count is 1; only authentication is offered. */
	return d->username[0] != '\0' && d->cnonce[0] != '\0' && strcmp(d->nc, "00000001") == 0 &&
	       (d->qop[0] == '\0' || strcmp(d->qop, "auth") == 0) &&
	       (d->charset[0] == '\0' || strcasecmp(d->charset, "utf-8") == 0) &&
	       strlen(d->response) == 32 && strspn(d->response, "0123456789abcdef") == 32;
}

bool
digest_read(struct digest *d, const struct message *m)
{
	const char *p = skip_blanks(m->text);
	unsigned seen = 0;

	memset(d, 0, sizeof *d);
	if (strlen(m->text) != m->len || u8_check((const uint8_t *)m->text, m->len) != NULL)
		return false;
	while (*p != '\0') {
		if (*p != ',') { /* the list of RFC 2831 7.1 may have empty elements */
			p = read_directive(d, p, &seen);
			if (p == NULL)
				return false;
			p = skip_blanks(p);
			if (*p != ',' && *p != '\0')
				return false;
		}
		p = skip_blanks(p + (*p == ','));
	}
	return is_complete(d, seen);
}
