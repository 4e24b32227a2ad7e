/* See content_out.h. */
#include "relay/content_out.h"

#include <string.h>

/* RFC 2045 6.7 (5), 6.8: octets of an encoded line. */
#define ENCODED_LINE 76

void
content_out_init(struct content_out *o, bool stuff, content_sink *sink, void *arg)
{
	*o = (struct content_out){ .sink = sink, .arg = arg, .stuff = stuff, .at_start = true };
}

void
content_raw(struct content_out *o, const char *s, size_t len)
{
	size_t n = o->drop < len ? (size_t)o->drop : len;

	o->drop -= n;
	s += n;
	len -= n;
	if (len > 0 && !o->stopped)
		o->stopped = !o->sink(o->arg, s, len);
}

void
content_text(struct content_out *o, const char *s, size_t len)
{
	if (len == 0)
		return;
	if (o->at_start && o->stuff && o->drop == 0 && s[0] == '.')
		content_raw(o, ".", 1);
	o->at_start = false;
	content_raw(o, s, len);
}

void
content_eol(struct content_out *o)
{
	content_raw(o, "\r\n", 2);
	o->at_start = true;
}

/* A soft line break where n more octets and the "=" of the next one have no room. */
static void
qp_room(struct content_out *o, unsigned n)
{
	if (o->column + n < ENCODED_LINE)
		return;
	content_text(o, "=", 1);
	content_eol(o);
	o->column = 0;
}

static void
qp_quote(struct content_out *o, unsigned char c)
{
	static const char digits[] = "0123456789ABCDEF";
	char hex[3] = { '=', digits[c >> 4], digits[c & 15] };

	qp_room(o, 3);
	content_text(o, hex, 3);
	o->column += 3;
}

static void
qp_plain(struct content_out *o, char c)
{
	qp_room(o, 1);
	content_text(o, &c, 1);
	o->column++;
}

static void
qp_blank(struct content_out *o, bool ends_line)
{
	if (o->blank == '\0')
		return;
	if (ends_line)
		qp_quote(o, (unsigned char)o->blank);
	else
		qp_plain(o, o->blank);
	o->blank = '\0';
}

void
content_qp_text(struct content_out *o, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		qp_blank(o, false);
		if (c == ' ' || c == '\t')
			o->blank = (char)c;
		else if (c > ' ' && c <= '~' && c != '=')
			qp_plain(o, (char)c);
		else
			qp_quote(o, c);
	}
}

void
content_qp_eol(struct content_out *o)
{
	qp_blank(o, true);
	content_eol(o);
	o->column = 0;
}

void
content_qp_end(struct content_out *o)
{
	qp_blank(o, true);
	o->column = 0;
}

static void
base64_group(struct content_out *o)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *h = o->held;
	char group[4] = {
		digits[h[0] >> 2],
		digits[(h[0] & 3) << 4 | h[1] >> 4],
		digits[(h[1] & 15) << 2 | h[2] >> 6],
		digits[h[2] & 63],
	};

	if (o->n_held < 3)
		group[3] = '=';
	if (o->n_held < 2)
		group[2] = '=';
	if (o->column == ENCODED_LINE) {
		content_eol(o);
		o->column = 0;
	}
	content_text(o, group, 4);
	o->column += 4;
	o->n_held = 0;
	memset(o->held, 0, sizeof o->held);
}

void
content_base64(struct content_out *o, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		o->held[o->n_held++] = (unsigned char)s[i];
		if (o->n_held == 3)
			base64_group(o);
	}
}

void
content_base64_end(struct content_out *o)
{
	if (o->n_held > 0)
		base64_group(o);
	o->column = 0;
}
