/* See content_mime.h. */
#include "relay/content_mime.h"

#include <string.h>
#include <strings.h>

/* RFC 822 3.3 as RFC 2045 uses it: white space and comments. */
static const char *
skip_space(const char *p)
{
	unsigned depth = 0;

	for (; *p != '\0'; p++) {
		if (*p == '(')
			depth++;
		else if (*p == ')' && depth > 0)
			depth--;
		else if (*p == '\\' && depth > 0 && p[1] != '\0')
			p++;
		else if (depth == 0 && *p != ' ' && *p != '\t')
			break;
	}
	return p;
}

/* RFC 2045 5.1: a token; its length. */
static size_t
token_len(const char *p)
{
	size_t n = 0;

	while (p[n] > ' ' && p[n] <= '~' && strchr("()<>@,;:\\\"/[]?=", p[n]) == NULL)
		n++;
	return n;
}

/* Reads token or quoted-string into out; NULL: neither, or no room. */
static const char *
read_value(const char *p, char *out, size_t cap, size_t *len)
{
	size_t n = 0;

	if (*p != '"') {
		n = token_len(p);
		if (n == 0 || n >= cap)
			return NULL;
		memcpy(out, p, n);
		p += n;
	} else {
		for (p++; *p != '"'; p++) {
			if (*p == '\\' && p[1] != '\0')
				p++;
			if (*p == '\0' || n + 1 >= cap)
				return NULL;
			out[n++] = *p;
		}
		p++;
	}
	out[n] = '\0';
	*len = n;
	return p;
}

static bool
is_name(const char *p, size_t len, const char *name)
{
	return len == strlen(name) && strncasecmp(p, name, len) == 0;
}

static enum mime_kind
find_kind(const char *type, size_t type_len, const char *sub, size_t sub_len)
{
	if (is_name(type, type_len, "text"))
		return MIME_TEXT;
	if (is_name(type, type_len, "multipart"))
		return is_name(sub, sub_len, "signed") || is_name(sub, sub_len, "encrypted") ?
		       MIME_SEALED : MIME_MULTIPART;
	if (is_name(type, type_len, "message")) {
		if (is_name(sub, sub_len, "rfc822") || is_name(sub, sub_len, "news"))
			return MIME_MESSAGE;
		if (is_name(sub, sub_len, "partial") || is_name(sub, sub_len, "external-body"))
			return MIME_PLAIN;
	}
	return MIME_OTHER;
}

/* RFC 2046 5.1.1: the boundary parameter; trailing blanks are not its own. */
static bool
read_boundary(const char *p, struct mime_type *type)
{
	char value[LIMIT_MIME_FIELD + 1];
	size_t len;

	for (p = skip_space(p); *p == ';'; p = skip_space(p)) {
		const char *name = skip_space(p + 1);
		size_t name_len = token_len(name);

		p = skip_space(name + name_len);
		if (*p != '=') {
			if (name_len == 0 && *p == ';')
				continue;
			return false;
		}
		p = read_value(skip_space(p + 1), value, sizeof value, &len);
		if (p == NULL)
			return false;
		if (!is_name(name, name_len, "boundary"))
			continue;
		while (len > 0 && value[len - 1] == ' ')
			len--;
		if (len == 0 || len > LIMIT_MIME_BOUNDARY)
			return false;
		memcpy(type->boundary, value, len);
		type->boundary[len] = '\0';
		type->boundary_len = len;
		return true;
	}
	return false;
}

bool
mime_read_type(const char *value, struct mime_type *type)
{
	const char *name = skip_space(value), *p, *sub;
	size_t len = token_len(name), sub_len;

	memset(type, 0, sizeof *type);
	type->kind = MIME_OPAQUE;
	p = skip_space(name + len);
	if (len == 0 || *p != '/')
		return false;
	sub = skip_space(p + 1);
	sub_len = token_len(sub);
	if (sub_len == 0)
		return false;
	type->kind = find_kind(name, len, sub, sub_len);
	if (type->kind == MIME_MULTIPART || type->kind == MIME_SEALED) {
		type->digest = is_name(sub, sub_len, "digest");
		if (!read_boundary(sub + sub_len, type))
			type->kind = MIME_OPAQUE;
	}
	return true;
}

enum mime_encoding
mime_read_encoding(const char *value)
{
	static const struct {
		const char *name;
		enum mime_encoding encoding;
	} known[] = {
		{ "7bit", MIME_7BIT },
		{ "8bit", MIME_8BIT },
		{ "binary", MIME_BINARY },
		{ "quoted-printable", MIME_ENCODED },
		{ "base64", MIME_ENCODED },
	};
	const char *p = skip_space(value);
	size_t len = token_len(p);

	if (*skip_space(p + len) == '\0')
		for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
			if (is_name(p, len, known[i].name))
				return known[i].encoding;
	return MIME_UNKNOWN;
}

bool
is_mime_boundary(const char *line, size_t len, const struct mime_type *type, bool *last)
{
	size_t n = type->boundary_len;

	if (len < n + 2 || line[0] != '-' || line[1] != '-' ||
	    memcmp(line + 2, type->boundary, n) != 0)
		return false;
	line += n + 2;
	len -= n + 2;
	*last = len >= 2 && line[0] == '-' && line[1] == '-';
	for (size_t i = *last ? 2 : 0; i < len; i++)
		if (line[i] != ' ' && line[i] != '\t')
			return false;
	return true;
}
