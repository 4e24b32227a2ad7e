/*
 * See list.h. A scanner makes tokens of octets, and one small machine makes an address of
 * the tokens between two commas; what turns out to be a name before "<" is forgotten.
 */
#include "spool/list.h"

#include <string.h>

#include "base/text.h"

enum token { END, WORD, QUOTED, LITERAL, SPECIAL, BAD };

struct scan {
	const char *s;
	size_t len, at;
	/* The token at hand; of QUOTED and LITERAL without their marks. */
	enum token token;
	char special;
	const char *text;
	size_t text_len;
};

/* What an address is made of so far. */
enum part { WANT_LOCAL, LOCAL, WANT_DOMAIN, DOMAIN, NONE };

struct machine {
	enum part part;
	bool empty;        /* nothing but separators yet */
	bool angle, after; /* between < and >, behind them */
	bool group;
	struct list_item item;
	struct text local, domain;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_special(char c)
{
	return c == '\0' || strchr("()<>[]:;@\\,.\"", c) != NULL;
}

/* A comment, which may hold others; false: it has no end. */
static bool
skip_comment(struct scan *s)
{
	unsigned depth = 0;

	for (; s->at < s->len; s->at++) {
		char c = s->s[s->at];

		if (c == '\\' && s->at + 1 < s->len) {
			s->at++;
		} else if (c == '(') {
			depth++;
		} else if (c == ')' && --depth == 0) {
			s->at++;
			return true;
		}
	}
	return false;
}

static void
scan_enclosed(struct scan *s, enum token token, char end)
{
	size_t start = ++s->at;

	while (s->at < s->len && s->s[s->at] != end)
		s->at += s->s[s->at] == '\\' && s->at + 1 < s->len ? 2 : 1;
	s->token = s->at < s->len ? token : BAD;
	s->text = s->s + start;
	s->text_len = s->at - start;
	s->at += s->at < s->len;
}

static void
scan_word(struct scan *s)
{
	size_t start = s->at;

	while (s->at < s->len && !is_special(s->s[s->at]) && (unsigned char)s->s[s->at] > ' ')
		s->at++;
	s->token = s->at > start ? WORD : BAD; /* a control octet */
	s->text = s->s + start;
	s->text_len = s->at - start;
}

static void
scan_next(struct scan *s)
{
	while (s->at < s->len && (is_blank(s->s[s->at]) || s->s[s->at] == '('))
		if (s->s[s->at] != '(')
			s->at++;
		else if (!skip_comment(s)) {
			s->token = BAD;
			return;
		}
	if (s->at == s->len) {
		s->token = END;
	} else if (s->s[s->at] == '"') {
		scan_enclosed(s, QUOTED, '"');
	} else if (s->s[s->at] == '[') {
		scan_enclosed(s, LITERAL, ']');
	} else if (s->s[s->at] != '\0' && strchr("<>:;@,.", s->s[s->at]) != NULL) {
		s->token = SPECIAL;
		s->special = s->s[s->at++];
	} else {
		scan_word(s);
	}
}

static void
clear_address(struct machine *m)
{
	m->part = WANT_LOCAL;
	text_init(&m->local, m->item.address.local, sizeof m->item.address.local);
	text_init(&m->domain, m->item.address.domain, sizeof m->item.address.domain);
}

static void
clear(struct machine *m)
{
	clear_address(m);
	m->empty = true;
	m->angle = m->after = false;
}

/* RFC 5322 3.2.4: folds vanish, "\" stands before an octet that means itself. */
static void
add_quoted(struct text *t, const struct scan *s)
{
	for (size_t i = 0; i < s->text_len; i++) {
		if (s->text[i] == '\\' && i + 1 < s->text_len)
			i++;
		if (s->text[i] != '\r' && s->text[i] != '\n')
			text_addc(t, s->text[i]);
	}
}

static void
take_text(struct machine *m, const struct scan *s)
{
	m->empty = false;
	if (m->part == WANT_LOCAL && s->token != LITERAL) {
		if (s->token == QUOTED)
			add_quoted(&m->local, s);
		else
			text_addn(&m->local, s->text, s->text_len);
		m->item.end = s->at;
		m->part = LOCAL;
	} else if (m->part == WANT_DOMAIN && s->token == WORD) {
		text_addn(&m->domain, s->text, s->text_len);
		m->part = DOMAIN;
	} else if (m->part == WANT_DOMAIN && s->token == LITERAL && m->domain.len == 0) {
		text_addc(&m->domain, '[');
		text_addn(&m->domain, s->text, s->text_len);
		text_addc(&m->domain, ']');
		m->part = DOMAIN;
	} else {
		m->part = NONE; /* the words of a name */
	}
}

static void
take_dot(struct machine *m)
{
	if (m->part == LOCAL) {
		text_addc(&m->local, '.');
		m->part = WANT_LOCAL;
	} else if (m->part == DOMAIN) {
		text_addc(&m->domain, '.');
		m->part = WANT_DOMAIN;
	} else {
		m->part = NONE;
	}
}

/* "<@a,@b:user@c>", RFC 5322 4.4: the way there is not ours to follow. */
static bool
skip_route(struct scan *s)
{
	while (s->token != END && s->token != BAD) {
		if (s->token == SPECIAL && s->special == ':')
			return true;
		if (s->token == SPECIAL && strchr("@,.", s->special) == NULL)
			return false;
		scan_next(s);
	}
	return false;
}

/* The end of one element: an address, nothing at all, or something that is none. */
static bool
finish(struct machine *m, list_each *each, void *context)
{
	bool good = m->empty;

	if (m->angle && !m->after)
		return false;
	if (m->after && m->local.len == 0 && m->part == WANT_LOCAL)
		good = true; /* "<>" */
	else if (m->part == LOCAL || m->part == DOMAIN)
		good = text_ok(&m->local) && text_ok(&m->domain) && m->local.len > 0 &&
		       is_address_safe(m->item.address.local, m->item.address.domain) &&
		       each(context, &m->item);
	clear(m);
	return good;
}

static bool
take_special(struct machine *m, struct scan *s, list_each *each, void *context)
{
	switch (s->special) {
	case ',':
		return !(m->angle && !m->after) && finish(m, each, context);
	case ';':
		m->group = false;
		return finish(m, each, context);
	case ':':
		/* A group's name was what stood before; there are none in one another. */
		if (m->group || m->angle || m->empty)
			return false;
		m->group = true;
		clear(m);
		return true;
	case '<':
		if (m->angle)
			return false;
		clear_address(m);
		m->angle = true;
		m->empty = false;
		return true;
	case '>':
		if (!m->angle || m->after)
			return false;
		m->after = true;
		return true;
	case '@':
		m->empty = false;
		if (m->angle && m->part == WANT_LOCAL && m->local.len == 0)
			return skip_route(s);
		m->part = m->part == LOCAL ? WANT_DOMAIN : NONE;
		return true;
	default:
		m->empty = false;
		take_dot(m);
		return true;
	}
}

bool
list_read(const char *s, size_t len, list_each *each, void *context)
{
	struct scan scan = { .s = s, .len = len };
	struct machine m = { .group = false };

	clear(&m);
	for (;;) {
		scan_next(&scan);
		if (scan.token == BAD)
			return false;
		if (scan.token == END)
			return finish(&m, each, context);
		/* Behind ">" only what separates: a name there is somebody's mistake. */
		if (m.after && (scan.token != SPECIAL || strchr(",;", scan.special) == NULL))
			return false;
		if (scan.token != SPECIAL)
			take_text(&m, &scan);
		else if (!take_special(&m, &scan, each, context))
			return false;
	}
}
