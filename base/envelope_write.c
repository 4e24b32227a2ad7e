/*
 * See envelope.h: the whole file, and what changes of it in place. No allocation.
 */
#include "base/envelope_own.h"

#include <errno.h>
#include <unistd.h>

struct out {
	int fd;
	off_t at;
	struct text t;
	char buf[ENVELOPE_LINE + 16384];
};

static int
write_at(int fd, const char *s, size_t len, off_t at)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, s, len, at);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		s += n;
		len -= (size_t)n;
		at += n;
	}
	return 0;
}

static int
out_flush(struct out *o)
{
	if (write_at(o->fd, o->buf, o->t.len, o->at) == -1)
		return -1;
	o->at += (off_t)o->t.len;
	text_init(&o->t, o->buf, sizeof o->buf);
	return 0;
}

/* Ends a line. */
static int
out_line(struct out *o, bool good)
{
	text_addc(&o->t, '\n');
	if (!good || !text_ok(&o->t)) {
		errno = EINVAL;
		return -1;
	}
	return sizeof o->buf - o->t.len <= ENVELOPE_LINE ? out_flush(o) : 0;
}

static int
out_head(struct out *o, const struct envelope *e)
{
	text_add(&o->t, "postern " ENVELOPE_VERSION "\n");
	for (const struct envelope_line *l = envelope_lines; l->key != NULL; l++) {
		size_t len = o->t.len;
		bool nothing = false, good;

		text_add(&o->t, l->key);
		text_addc(&o->t, ' ');
		good = l->put(l, (const char *)e + l->offset, &o->t, &nothing);
		if (nothing)
			o->t.len = len;
		else if (out_line(o, good) == -1)
			return -1;
	}
	return 0;
}

int
envelope_write(int fd, const struct envelope *e)
{
	static struct out o;

	o.fd = fd;
	o.at = 0;
	text_init(&o.t, o.buf, sizeof o.buf);
	if (e->n == 0 || e->n > LIMIT_RECIPIENTS || e->skip > e->size || e->arrived < 0) {
		errno = EINVAL;
		return -1;
	}
	if (out_head(&o, e) == -1)
		return -1;
	for (unsigned i = 0; i < e->n; i++)
		if (out_line(&o, envelope_put_to(&o.t, &e->to[i])) == -1)
			return -1;
	text_add(&o.t, "end");
	return out_line(&o, true) == -1 || out_flush(&o) == -1 ? -1 : fsync(fd);
}

int
envelope_put_mark(int fd, const struct envelope_to *to)
{
	char buf[ENVELOPE_MARK + 1];
	struct text t;

	text_init(&t, buf, sizeof buf);
	envelope_mark_text(&t, to);
	return write_at(fd, buf, ENVELOPE_MARK, to->at);
}

int
envelope_mark(int fd, const struct envelope_to *to)
{
	return envelope_put_mark(fd, to) == -1 ? -1 : fdatasync(fd);
}

int
envelope_hold(int fd, struct envelope *e, bool hold)
{
	e->hold = hold;
	return write_at(fd, envelope_holds[hold], 1, e->hold_at) == -1 ? -1 : fdatasync(fd);
}
