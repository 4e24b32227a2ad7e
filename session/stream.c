/*
 * See stream.h. Whole lines are found by memchr and moved as runs; octets are
 * looked at singly only where a line's end or a dot meets the end of a buffer.
 */
#include "session/stream.h"

#include <string.h>

enum state {
	LINE_START,
	IN_LINE,
	AFTER_CR,     /* CR was the last octet of a buffer; not stored yet */
	AFTER_DOT,    /* a dot at the start of a line; not stored yet */
	AFTER_DOT_CR, /* the same, then CR */
};

/* One call of stream_eat. */
struct work {
	struct stream *st;
	char *buf;
	size_t len, in, out;
	const char *lf; /* the first LF at or behind `in`, once looked for */
	bool looked;
};

void
stream_init(struct stream *st, enum stream_mode mode)
{
	st->mode = mode;
	st->state = LINE_START;
	st->bare = false;
	st->size = 0;
}

/* Looks for each LF once only: a buffer full of CRs must not cost its square. */
static const char *
next_lf(struct work *w)
{
	if (!w->looked || (w->lf != NULL && w->lf < w->buf + w->in)) {
		w->lf = memchr(w->buf + w->in, '\n', w->len - w->in);
		w->looked = true;
	}
	return w->lf;
}

static void
store_run(struct work *w, size_t n)
{
	if (w->out != w->in)
		memmove(w->buf + w->out, w->buf + w->in, n);
	w->in += n;
	w->out += n;
	w->st->size += n;
}

static void
store_line_end(struct work *w)
{
	w->buf[w->out++] = '\n';
	w->st->size += 2;
	w->st->state = LINE_START;
}

/* What is dropped is counted, or a flood of CRs would stay under every limit. */
static void
drop_bare(struct stream *st)
{
	st->bare = true;
	st->size++;
}

/* From inside a line to its end, or to the end of the buffer. */
static void
eat_line(struct work *w)
{
	const char *start = w->buf + w->in;
	const char *lf = next_lf(w);
	size_t n = lf != NULL ? (size_t)(lf - start) : w->len - w->in;
	const char *cr = memchr(start, '\r', n);

	w->st->state = IN_LINE;
	if (cr == NULL) {
		store_run(w, n);
		if (lf != NULL) {
			drop_bare(w->st);
			w->in++;
		}
		return;
	}
	n = (size_t)(cr - start);
	store_run(w, n);
	w->in++;
	if (cr + 1 == lf) {
		w->in++;
		store_line_end(w);
	} else if (w->in == w->len) {
		w->st->state = AFTER_CR;
	} else {
		drop_bare(w->st);
	}
}

/* The octet after a held-back CR or dot; true when it ends the message. */
static bool
eat_held(struct work *w)
{
	char c = w->buf[w->in];
	int state = w->st->state;

	if (state == AFTER_DOT && c == '\r') {
		w->in++;
		w->st->state = AFTER_DOT_CR;
		return false;
	}
	if (state == AFTER_DOT || c != '\n') {
		/* The dot was stuffing; or a CR stood alone. */
		if (state != AFTER_DOT)
			drop_bare(w->st);
		w->st->state = IN_LINE;
		return false;
	}
	w->in++;
	if (state == AFTER_DOT_CR)
		return true;
	store_line_end(w);
	return false;
}

struct stream_step
stream_eat(struct stream *st, char *buf, size_t len)
{
	struct work w = { .st = st, .buf = buf, .len = len };
	bool end = false;

	if (st->mode == STREAM_BINARY) {
		st->size += len;
		return (struct stream_step){ len, len, false };
	}
	while (w.in < len && !end) {
		if (st->state == LINE_START && st->mode == STREAM_DATA && buf[w.in] == '.') {
			w.in++;
			st->state = AFTER_DOT;
		} else if (st->state == LINE_START || st->state == IN_LINE) {
			eat_line(&w);
		} else {
			end = eat_held(&w);
		}
	}
	return (struct stream_step){ w.in, w.out, end };
}

void
stream_finish(struct stream *st)
{
	st->bare |= st->state == AFTER_CR;
}
