/* See header.h. One table says what is done with which field. */
#include "spool/header.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "spool/list.h"

enum {
	TO = 1 << 0,      /* -t reads it */
	RESENT = 1 << 1,  /* and then only these, when there is one (RFC 5322 3.6.6) */
	DROP = 1 << 2,
	LIST = 1 << 3,    /* addresses: completed */
	FROM = 1 << 4,
	DATE = 1 << 5,
	ID = 1 << 6,
};

static const struct field {
	const char *name;
	unsigned what;
} fields[] = {
	{ "To", TO | LIST },
	{ "Cc", TO | LIST },
	{ "Bcc", TO | DROP },
	{ "Resent-To", TO | RESENT | LIST },
	{ "Resent-Cc", TO | RESENT | LIST },
	{ "Resent-Bcc", TO | RESENT | DROP },
	{ "From", FROM | LIST },
	{ "Sender", LIST },
	{ "Reply-To", LIST },
	{ "Resent-From", LIST },
	{ "Resent-Sender", LIST },
	{ "Disposition-Notification-To", LIST },
	{ "Date", DATE },
	{ "Message-ID", ID },
	{ "Return-Path", DROP },     /* the delivery's (RFC 5321 4.4) */
	{ "Content-Length", DROP },  /* of a mailbox format, wrong as soon as anything changes */
};

/* Octets of the field's name, 0 when the line is none. */
static size_t
name_len(const char *line, size_t len)
{
	size_t n = 0;
	size_t i;

	while (n < len && line[n] > ' ' && line[n] < 0x7f && line[n] != ':')
		n++;
	for (i = n; i < len && (line[i] == ' ' || line[i] == '\t'); i++)
		;
	return i < len && line[i] == ':' ? n : 0;
}

bool
header_is_field(const char *line, size_t len)
{
	return name_len(line, len) > 0;
}

static unsigned
what_is(const char *line, size_t len)
{
	size_t n = name_len(line, len);

	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		if (strlen(fields[i].name) == n && strncasecmp(fields[i].name, line, n) == 0)
			return fields[i].what;
	return 0;
}

/* The field's octets, its continuation lines with it. */
static size_t
field_len(const char *s, size_t len)
{
	size_t n = 0;

	do {
		const char *lf = memchr(s + n, '\n', len - n);

		n = lf != NULL ? (size_t)(lf - s) + 1 : len;
	} while (n < len && (s[n] == ' ' || s[n] == '\t'));
	return n;
}

/* -- recipients -------------------------------------------------------------------- */

struct reading {
	const struct header_rules *rules;
	struct order *order;
	struct verdict *v;
	bool many;
};

static bool
add_recipient(void *context, const struct list_item *item)
{
	struct reading *r = context;
	struct address a = item->address;

	if (a.domain[0] == '\0' && !text_copy(a.domain, sizeof a.domain, r->rules->domain))
		return false;
	if (order_add(r->order, &a))
		return true;
	r->many = true;
	return false;
}

static bool
read_recipients(struct reading *r, const char *field, size_t len)
{
	const char *colon = memchr(field, ':', len);
	size_t at = (size_t)(colon - field) + 1;
	char shown[200];
	struct text t;

	if (list_read(field + at, len - at, add_recipient, r))
		return true;
	if (r->many)
		return order_refuse_many(r->v);
	text_init(&t, shown, sizeof shown);
	text_addn(&t, field, len - 1 < sizeof shown - 1 ? len - 1 : sizeof shown - 1);
	verdict_set(r->v, SPOOL_ENVELOPE, "5.1.3", "not a list of addresses", shown);
	return false;
}

static bool
find_recipients(struct reading *r, const char *head, size_t len)
{
	unsigned wanted = TO;

	for (size_t at = 0; at < len; at += field_len(head + at, len - at))
		if ((what_is(head + at, len - at) & RESENT) != 0)
			wanted = RESENT;
	for (size_t at = 0, n; at < len; at += n) {
		n = field_len(head + at, len - at);
		if ((what_is(head + at, n) & wanted) != 0 &&
		    !read_recipients(r, head + at, n))
			return false;
	}
	return true;
}

/* -- what is written --------------------------------------------------------------- */

struct writing {
	FILE *f;
	const char *value, *domain;
	size_t done;
};

static bool
complete(void *context, const struct list_item *item)
{
	struct writing *w = context;

	if (item->address.domain[0] != '\0')
		return true;
	/* The caller looks at the stream's error at the end. */
	(void)fwrite(w->value + w->done, 1, item->end - w->done, w->f);
	(void)fprintf(w->f, "@%s", w->domain);
	w->done = item->end;
	return true;
}

static void
write_list(FILE *f, const char *field, size_t len, const char *domain)
{
	const char *colon = memchr(field, ':', len);
	size_t at = (size_t)(colon - field) + 1;
	struct writing w = { f, field + at, domain, 0 };

	(void)fwrite(field, 1, at, f);
	/* What is no address stays as it is: sendmail is no judge of From. */
	(void)list_read(w.value, len - at, complete, &w);
	(void)fwrite(w.value + w.done, 1, len - at - w.done, f);
}

/* RFC 2047 4.2 and 5 (3): what may stand as it is in an encoded word of a name. */
static bool
is_plain_q(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       c == '!' || c == '*' || c == '+' || c == '-' || c == '/';
}

/* Encoded words of at most 75 octets, a character never cut in two (RFC 2047 5). */
static void
write_encoded(FILE *f, const char *name)
{
	unsigned used = 0;

	(void)fputs("=?UTF-8?Q?", f);
	for (; *name != '\0'; name++) {
		unsigned char c = (unsigned char)*name;

		if (used > 40 && (c & 0xc0) != 0x80) {
			(void)fputs("?=\n =?UTF-8?Q?", f);
			used = 0;
		}
		if (c == ' ') {
			(void)putc('_', f);
			used++;
		} else if (is_plain_q(c)) {
			(void)putc(c, f);
			used++;
		} else {
			(void)fprintf(f, "=%02X", c);
			used += 3;
		}
	}
	(void)fputs("?=", f);
}

static void
write_name(FILE *f, const char *name)
{
	if (has_utf8(name)) {
		write_encoded(f, name);
		return;
	}
	(void)putc('"', f);
	for (; *name != '\0'; name++) {
		if (*name == '"' || *name == '\\')
			(void)putc('\\', f);
		if (*name >= ' ' && *name != 0x7f)
			(void)putc(*name, f);
	}
	(void)putc('"', f);
}

static void
write_missing(FILE *f, const struct header_rules *r, unsigned have)
{
	char date[64];
	struct text t;

	if (!(have & FROM)) {
		(void)fputs("From: ", f);
		if (r->name[0] != '\0') {
			write_name(f, r->name);
			(void)putc(' ', f);
		}
		(void)fprintf(f, "<%s>\n", r->from);
	}
	if (!(have & DATE)) {
		text_init(&t, date, sizeof date);
		clock_date(&t, clock_now());
		(void)fprintf(f, "Date: %s\n", date);
	}
	if (!(have & ID))
		(void)fprintf(f, "Message-ID: <%s@%s>\n", r->id, r->host);
}

bool
header_write(FILE *f, const char *head, size_t len, const struct header_rules *rules,
             struct order *o, struct verdict *v)
{
	struct reading r = { .rules = rules, .order = o, .v = v };
	unsigned have = 0;

	if (rules->recipients && !find_recipients(&r, head, len))
		return false;
	for (size_t at = 0, n; at < len; at += n) {
		unsigned what = what_is(head + at, len - at);

		n = field_len(head + at, len - at);
		have |= what;
		if (what & LIST)
			write_list(f, head + at, n, rules->domain);
		else if (!(what & DROP))
			(void)fwrite(head + at, 1, n, f);
	}
	write_missing(f, rules, have);
	return true;
}
