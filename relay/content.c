/* See content.h. */
#include "relay/content.h"

#include <string.h>

/* What a piece of the file goes through. */
struct coder {
	void (*text)(struct content_out *o, const char *s, size_t len);
	void (*eol)(struct content_out *o);
};

static const struct coder plain = { content_text, content_eol };
static const struct coder quoted_printable = { content_qp_text, content_qp_eol };

static void
base64_eol(struct content_out *o)
{
	content_base64(o, "\r\n", 2);
}

static const struct coder base64 = { content_base64, base64_eol };

/* Text of one line; a CR in it would be bare on the wire: it becomes a blank. */
static void
put_text(const struct coder *k, struct content_out *o, const char *s, size_t len)
{
	const char *cr;

	while (len > 0 && (cr = memchr(s, '\r', len)) != NULL) {
		size_t n = (size_t)(cr - s);

		k->text(o, s, n);
		k->text(o, " ", 1);
		s += n + 1;
		len -= n + 1;
	}
	k->text(o, s, len);
}

/* A CR at the end of a run is held back: it may belong to a line end. */
static void
put_lines(struct content *c, const struct coder *k, struct content_out *o, uint64_t at,
          uint64_t end)
{
	const char *run;
	bool cr = false;
	size_t n;

	while (!o->stopped && (n = content_run(&c->file, at, end, &run)) > 0) {
		at += n;
		while (n > 0) {
			const char *lf = memchr(run, '\n', n);
			size_t len = lf != NULL ? (size_t)(lf - run) : n;

			if (cr && len > 0)
				k->text(o, " ", 1);
			cr = len > 0 ? run[len - 1] == '\r' : cr && lf == NULL;
			put_text(k, o, run, len - (cr && len > 0));
			if (lf != NULL) {
				k->eol(o);
				cr = false;
			}
			run += len + (lf != NULL);
			n -= len + (lf != NULL);
		}
	}
	if (cr)
		k->text(o, " ", 1);
}

static void
put_octets(struct content *c, void (*put)(struct content_out *, const char *, size_t),
           struct content_out *o, uint64_t at, uint64_t end)
{
	const char *run;
	size_t n;

	while (!o->stopped && (n = content_run(&c->file, at, end, &run)) > 0) {
		put(o, run, n);
		at += n;
	}
}

static void
put_field(struct content_out *o, const char *s)
{
	content_text(o, s, strlen(s));
	content_eol(o);
}

/* The changed header of a part, and its body. */
static void
put_edit(struct content *c, struct content_out *o, const struct content_edit *d)
{
	static const char *const fields[] = {
		[LABEL_7BIT] = "Content-Transfer-Encoding: 7bit",
		[LABEL_8BIT] = "Content-Transfer-Encoding: 8bit",
		[LABEL_QP] = "Content-Transfer-Encoding: quoted-printable",
		[LABEL_BASE64] = "Content-Transfer-Encoding: base64",
	};

	if (d->add_mime)
		put_field(o, "MIME-Version: 1.0");
	if (d->add_type) /* RFC 1428 3 */
		put_field(o, "Content-Type: text/plain; charset=unknown-8bit");
	put_field(o, fields[d->label]);
	put_lines(c, &plain, o, d->at + d->skip, d->body);
	if (d->label == LABEL_QP) {
		put_lines(c, &quoted_printable, o, d->body, d->end);
		content_qp_end(o);
	} else if (d->label == LABEL_BASE64) {
		if (c->raw)
			put_octets(c, content_base64, o, d->body, d->end);
		else
			put_lines(c, &base64, o, d->body, d->end);
		content_base64_end(o);
	}
}

bool
content_write(struct content *c, uint64_t from, bool stuff, content_sink *sink, void *arg)
{
	struct content_out o;
	uint64_t at = c->skip;

	content_out_init(&o, stuff, sink, arg);
	o.drop = from;
	if (c->form == CONTENT_BINARY) {
		put_lines(c, &plain, &o, at, c->header_end);
		put_octets(c, content_raw, &o, c->header_end, c->end);
		return !c->file.failed && !o.stopped;
	}
	for (unsigned i = 0; c->form == CONTENT_CONVERTED && i < c->plan.n; i++) {
		put_lines(c, &plain, &o, at, c->plan.edit[i].at);
		put_edit(c, &o, &c->plan.edit[i]);
		at = c->plan.edit[i].end;
	}
	put_lines(c, &plain, &o, at, c->end);
	if (!o.at_start)
		content_eol(&o);
	return !c->file.failed && !o.stopped;
}

static bool
count(void *arg, const char *s, size_t len)
{
	uint64_t *n = arg;

	(void)s;
	*n += len;
	return true;
}

static bool
measure(struct content *c)
{
	c->size = 0;
	return content_write(c, 0, false, count, &c->size);
}

/* RFC 5322 2.1: up to the first empty line. */
static bool
find_header_end(struct content *c)
{
	struct content_line l;

	c->header_end = c->skip;
	while (content_next_line(&c->file, c->header_end, c->end, &l)) {
		c->header_end += l.len + l.eol;
		if (l.len == 0)
			break;
	}
	return !c->file.failed;
}

/* What LINES would send, without sending it; and whether octets are not ASCII. */
static bool
look_through(struct content *c)
{
	const char *run;
	uint64_t at = c->skip;
	char last = '\n';
	size_t n;

	c->size = c->end - c->skip;
	while ((n = content_run(&c->file, at, c->end, &run)) > 0) {
		const char *p = run, *lf;

		at += n;
		c->high = c->high || content_count_high(run, n) > 0;
		for (; (lf = memchr(p, '\n', (size_t)(run + n - p))) != NULL; p = lf + 1)
			c->size += (lf > run ? lf[-1] : last) != '\r';
		last = run[n - 1];
	}
	if (c->size > 0 && last != '\n')
		c->size += 2;
	return !c->file.failed;
}

bool
content_open(struct content *c, int fd, uint64_t skip, uint64_t size, bool raw)
{
	c->skip = skip;
	c->end = size;
	c->raw = raw;
	c->high = false;
	c->form = raw ? CONTENT_BINARY : CONTENT_LINES;
	c->plan.n = 0;
	content_file_init(&c->file, fd);
	if (skip > size || !look_through(c))
		return false;
	return !raw || (find_header_end(c) && measure(c));
}

enum content_fit
content_fit(struct content *c, bool binary, enum content_level level)
{
	if (c->raw ? binary : level == CONTENT_8BIT || !c->high)
		return CONTENT_FITS;
	content_plan(&c->plan, &c->file, c->skip, c->end, c->raw, level);
	if (c->file.failed)
		return CONTENT_FAILED;
	if (c->plan.why != NULL)
		return CONTENT_NEVER;
	c->form = CONTENT_CONVERTED;
	c->high = c->high && level == CONTENT_8BIT;
	return measure(c) ? CONTENT_FITS : CONTENT_FAILED;
}
