/* See envelope.h. The reader takes any octets. No allocation. */
#include "base/envelope_own.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

struct in {
	int fd;
	off_t at;          /* in the file, of buf's end */
	size_t from, len;  /* of buf, not read yet */
	char buf[ENVELOPE_LINE + 16384];
};

/*
 * The next line, its LF replaced by NUL; *at: where in the file it starts. 1; 0: there is
 * no whole line, or it holds a NUL or is too long; -1: errno.
 */
static int
in_line(struct in *in, char **line, off_t *at)
{
	for (;;) {
		char *lf = memchr(in->buf + in->from, '\n', in->len);
		ssize_t n;

		if (lf != NULL) {
			size_t used = (size_t)(lf - in->buf) - in->from + 1;

			*line = in->buf + in->from;
			*at = in->at - (off_t)in->len;
			*lf = '\0';
			in->from += used;
			in->len -= used;
			return strlen(*line) == used - 1 && used <= ENVELOPE_LINE;
		}
		memmove(in->buf, in->buf + in->from, in->len);
		in->from = 0;
		if (in->len >= ENVELOPE_LINE)
			return 0;
		do
			n = pread(in->fd, in->buf + in->len, sizeof in->buf - in->len, in->at);
		while (n == -1 && errno == EINTR);
		if (n <= 0)
			return (int)n;
		in->len += (size_t)n;
		in->at += n;
	}
}

/* What stands behind "KEY "; NULL: this is another line. */
static char *
value_of(char *line, const char *key)
{
	size_t len = strlen(key);

	return strncmp(line, key, len) == 0 && line[len] == ' ' ? line + len + 1 : NULL;
}

/* Reads all up to the first `to`, which is left in *line. 1, 0 or -1. */
static int
in_head(struct in *in, struct envelope *e, char **line, off_t *at, const char **why)
{
	const char *version;
	int r = in_line(in, line, at);

	*why = "no envelope: expected the line 'postern 1'";
	if (r != 1 || (version = value_of(*line, "postern")) == NULL)
		return r == -1 ? -1 : 0;
	*why = "an envelope of another version of Postern";
	if (strcmp(version, ENVELOPE_VERSION) != 0)
		return 0;
	*why = "cut off, or a line too long";
	if ((r = in_line(in, line, at)) != 1)
		return r;
	for (const struct envelope_line *l = envelope_lines; l->key != NULL; l++) {
		char *value = value_of(*line, l->key);

		*why = l->key;
		if (value == NULL && l->optional)
			continue;
		if (value == NULL || !l->get(l, (char *)e + l->offset, value))
			return 0;
		if (l->offset == offsetof(struct envelope, hold))
			e->hold_at = *at + (value - *line);
		*why = "cut off, or a line too long";
		if ((r = in_line(in, line, at)) != 1)
			return r;
	}
	*why = "skip";
	return e->skip <= e->size;
}

static int
in_recipients(struct in *in, struct envelope *e, char *line, off_t at, const char **why)
{
	while (strcmp(line, "end") != 0) {
		char *value = value_of(line, "to");
		int r;

		*why = "too many recipients";
		if (e->n == LIMIT_RECIPIENTS)
			return 0;
		*why = "to";
		if (value == NULL || !envelope_get_to(&e->to[e->n], value, at + (value - line)))
			return 0;
		e->n++;
		*why = "cut off, or a line too long";
		if ((r = in_line(in, &line, &at)) != 1)
			return r;
	}
	*why = "no recipient";
	return e->n > 0;
}

int
envelope_read(int fd, struct envelope *e, const char **why)
{
	static struct in in;
	char *line;
	off_t at;
	int r;

	in.fd = fd;
	in.at = 0;
	in.from = in.len = 0;
	memset(e, 0, offsetof(struct envelope, to));
	r = in_head(&in, e, &line, &at, why);
	if (r == 1)
		r = in_recipients(&in, e, line, at, why);
	if (r == 1 && (in.len > 0 || pread(fd, in.buf, 1, in.at) != 0)) {
		*why = "more behind the end";
		r = 0;
	}
	return r;
}
