/* See letter.h. */
#include "spool/letter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool
letter_open(struct letter *l)
{
	lines_init(&l->lines);
	l->line_start = true;
	l->dot = l->ended = l->in_body = false;
	l->len = l->line = 0;
	l->head = malloc(LIMIT_HEADER);
	if (l->head == NULL)
		verdict_set(l->v, SPOOL_MEMORY, "4.3.0", "out of memory", "");
	return l->head != NULL;
}

void
letter_close(struct letter *l)
{
	free(l->head);
	l->head = NULL;
}

/* The header is head[0..header); what follows from `rest` on is the body's. */
static bool
end_header(struct letter *l, size_t header, size_t rest)
{
	char *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);
	bool good = f != NULL;

	l->in_body = true;
	if (good) {
		good = header_write(f, l->head, header, l->rules, l->order, l->v);
		(void)putc('\n', f);
	}
	if (f == NULL || fclose(f) == EOF) {
		verdict_set(l->v, SPOOL_MEMORY, "4.3.0", "out of memory", "");
		good = false;
	}
	good = good && stage_write(l->stage, out, len, l->v) &&
	       stage_write(l->stage, l->head + rest, l->len - rest, l->v);
	free(out);
	return good;
}

/* "From user Sun Nov..." of a mailbox format, where only a header may begin. */
static bool
is_from_line(const char *line, size_t len)
{
	return (len > 5 && memcmp(line, "From ", 5) == 0) ||
	       (len > 6 && memcmp(line, ">From ", 6) == 0);
}

/* The line from l->line on is whole: does the header end with it? */
static bool
judge_line(struct letter *l)
{
	const char *line = l->head + l->line;
	size_t len = l->len - l->line;

	if (len == 1)
		return end_header(l, l->line, l->len);
	if (l->line == 0 && is_from_line(line, len) && !header_is_field(line, len))
		l->len = 0;
	else if ((l->line == 0 || (*line != ' ' && *line != '\t')) &&
	         !header_is_field(line, len))
		return end_header(l, l->line, l->line);
	l->line = l->len;
	return true;
}

static bool
take_header(struct letter *l, const char **buf, size_t *len)
{
	while (*len > 0 && !l->in_body) {
		const char *lf = memchr(*buf, '\n', *len);
		size_t n = lf != NULL ? (size_t)(lf - *buf) + 1 : *len;

		if (n > LIMIT_HEADER - l->len) {
			verdict_set(l->v, SPOOL_REFUSED, "5.3.4", "the header is too long", "");
			return false;
		}
		memcpy(l->head + l->len, *buf, n);
		l->len += n;
		*buf += n;
		*len -= n;
		if (lf != NULL && !judge_line(l))
			return false;
	}
	return true;
}

static bool
take(struct letter *l, const char *buf, size_t len)
{
	return take_header(l, &buf, &len) &&
	       (len == 0 || stage_write(l->stage, buf, len, l->v));
}

/* Octets up to a dot alone; a dot at a line's start waits for what follows it. */
static bool
take_dotted(struct letter *l, const char *buf, size_t len)
{
	while (len > 0 && !l->ended) {
		const char *lf;
		size_t n;

		if (l->dot && *buf == '\n') {
			l->ended = true;
			l->dot = false;
			break;
		}
		if (l->dot && !take(l, ".", 1))
			return false;
		if (!l->dot && l->line_start && *buf == '.') {
			l->dot = true;
			l->line_start = false;
			buf++;
			len--;
			continue;
		}
		l->dot = false;
		lf = memchr(buf, '\n', len);
		n = lf != NULL ? (size_t)(lf - buf) + 1 : len;
		if (!take(l, buf, n))
			return false;
		l->line_start = lf != NULL;
		buf += n;
		len -= n;
	}
	return true;
}

bool
letter_feed(struct letter *l, const char *buf, size_t len)
{
	static char out[16 * 1024 + 1];

	while (len > 0 && !l->ended) {
		size_t n = len < sizeof out - 1 ? len : sizeof out - 1;
		size_t made = lines_convert(&l->lines, buf, n, out);

		if (!(l->dots ? take_dotted : take)(l, out, made))
			return false;
		buf += n;
		len -= n;
	}
	return true;
}

bool
letter_finish(struct letter *l)
{
	char last[1];

	if (!l->ended && lines_finish(&l->lines, last) == 1 &&
	    !(l->dots ? take_dotted : take)(l, last, 1))
		return false;
	return l->in_body || end_header(l, l->len, l->len);
}

bool
letter_read(struct letter *l, int fd)
{
	static char buf[16 * 1024];
	bool good = letter_open(l);
	ssize_t n = 1;

	while (good && n > 0 && !l->ended) {
		n = read(fd, buf, sizeof buf);
		if (n == -1 && errno == EINTR)
			n = 1;
		else if (n > 0)
			good = letter_feed(l, buf, (size_t)n);
	}
	if (n == -1) {
		verdict_set(l->v, SPOOL_READ, "4.3.0", "cannot read the message", strerror(errno));
		good = false;
	}
	good = good && letter_finish(l);
	letter_close(l);
	return good;
}
