/* See fixup.h. Each line's start is held until it tells what the line is. */
#include "session/fixup.h"

#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/limits.h"

void
fixup_init(struct fixup *f, const char *id, const char *host, fixup_write *write,
           void *context)
{
	memset(f, 0, sizeof *f);
	f->write = write;
	f->context = context;
	f->id = id;
	f->host = host;
}

static void
add_missing(struct fixup *f)
{
	const char *end = f->crlf ? "\r\n" : "\n";
	char buf[LIMIT_FIXUP];
	struct text t;

	text_init(&t, buf, sizeof buf);
	if (!f->has_date) {
		text_add(&t, "Date: ");
		clock_date(&t, clock_now());
		text_add(&t, end);
	}
	if (!f->has_id) {
		text_add(&t, "Message-ID: <");
		text_add(&t, f->id);
		text_addc(&t, '@');
		text_add(&t, f->host);
		text_addc(&t, '>');
		text_add(&t, end);
	}
	f->write(f->context, buf, t.len);
}

static void
release(struct fixup *f)
{
	f->write(f->context, f->hold, f->held);
	f->held = 0;
}

/* The held start is no field's: a body without the empty line before it. */
static void
end_header(struct fixup *f, bool is_empty_line)
{
	f->done = true;
	add_missing(f);
	if (!is_empty_line)
		f->write(f->context, f->crlf ? "\r\n" : "\n", f->crlf ? 2 : 1);
	release(f);
}

static bool
is_field(const struct fixup *f, size_t len, const char *name)
{
	while (len > 0 && (f->hold[len - 1] == ' ' || f->hold[len - 1] == '\t'))
		len--; /* RFC 5322 4.5: "Date :" */
	return strlen(name) == len && strncasecmp(f->hold, name, len) == 0;
}

/* The name of the field is held, up to its colon; or as much of it as is held. */
static void
name_field(struct fixup *f, size_t len)
{
	f->has_date |= is_field(f, len, "date");
	f->has_id |= is_field(f, len, "message-id");
	f->drop = is_field(f, len, "bcc") || is_field(f, len, "resent-bcc");
	f->in_line = true;
	if (f->drop)
		f->held = 0;
	else
		release(f);
}

/* One octet of a line's start is at the end of hold. */
static void
judge(struct fixup *f)
{
	char first = f->hold[0];
	char last = f->hold[f->held - 1];

	if (last == '\n') {
		f->crlf = f->held > 1 && f->hold[f->held - 2] == '\r';
		end_header(f, f->held == 1 + (size_t)f->crlf);
	} else if (first == ' ' || first == '\t') { /* folded: goes where its field went */
		f->in_line = true;
		if (f->drop)
			f->held = 0;
		else
			release(f);
	} else if (last == ':') {
		name_field(f, f->held - 1);
	} else if (f->held == sizeof f->hold) {
		name_field(f, f->held); /* longer than any we look for */
	}
}

/* The rest of a line whose field is known; octets used. */
static size_t
pass_line(struct fixup *f, const char *buf, size_t len)
{
	const char *lf = memchr(buf, '\n', len);
	size_t n = lf == NULL ? len : (size_t)(lf + 1 - buf);

	if (!f->drop)
		f->write(f->context, buf, n);
	if (lf == NULL) {
		f->cr = buf[n - 1] == '\r';
		return n;
	}
	f->in_line = false;
	f->crlf = n > 1 ? buf[n - 2] == '\r' : f->cr;
	f->cr = false;
	return n;
}

void
fixup_feed(struct fixup *f, const char *buf, size_t len)
{
	while (len > 0 && !f->done) {
		size_t n = 1;

		if (f->in_line) {
			n = pass_line(f, buf, len);
		} else {
			f->hold[f->held++] = *buf;
			judge(f);
		}
		buf += n;
		len -= n;
	}
	if (len > 0)
		f->write(f->context, buf, len);
}

void
fixup_finish(struct fixup *f)
{
	if (f->done)
		return;
	if (f->held > 0) {
		end_header(f, false); /* a line without a colon is none of the header's */
		return;
	}
	if (f->in_line && !f->drop)
		f->write(f->context, "\n", 1); /* a last line without its end */
	f->done = true;
	add_missing(f);
}
