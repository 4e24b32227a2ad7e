/* See content_file.h. */
#include "relay/content_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void
content_file_init(struct content_file *f, int fd)
{
	f->fd = fd;
	f->failed = false;
	f->start = f->len = 0;
}

size_t
content_run(struct content_file *f, uint64_t at, uint64_t end, const char **run)
{
	uint64_t left;

	if (at >= end || f->failed)
		return 0;
	if (at < f->start || at >= f->start + f->len) {
		ssize_t n;

		do
			n = pread(f->fd, f->window, sizeof f->window, (off_t)at);
		while (n == -1 && errno == EINTR);
		f->failed = n <= 0; /* the end that was told is not reached: somebody cut it */
		if (f->failed) {
			f->len = 0;
			return 0;
		}
		f->start = at;
		f->len = (uint64_t)n;
	}
	*run = f->window + (at - f->start);
	left = f->start + f->len - at;
	return (size_t)(left < end - at ? left : end - at);
}

uint64_t
content_count_high(const char *s, size_t len)
{
	uint64_t n = 0;

	while (len >= sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, s, sizeof word);
		n += (uint64_t)__builtin_popcountll(word & 0x8080808080808080ULL);
		s += sizeof word;
		len -= sizeof word;
	}
	for (; len > 0; len--)
		n += (unsigned char)*s++ >> 7;
	return n;
}

/* Adds a piece of a line; *cr tells whether the piece before ended in a CR. */
static void
add_piece(struct content_file *f, struct content_line *l, const char *s, size_t len, bool *cr)
{
	const char *p;

	if (l->len == 0) {
		l->head = s;
		l->head_len = len;
	} else if (l->head_len < CONTENT_HEAD) {
		size_t n = CONTENT_HEAD - l->head_len;

		/* The window has moved on: what of the head there was is in f->head. */
		if (n > len)
			n = len;
		memcpy(f->head + l->head_len, s, n);
		l->head = f->head;
		l->head_len += n;
	}
	l->len += len;
	l->high += content_count_high(s, len);
	l->nul |= memchr(s, '\0', len) != NULL;
	l->bare_cr |= *cr;
	*cr = s[len - 1] == '\r';
	p = memchr(s, '\r', len);
	l->bare_cr |= p != NULL && p != s + len - 1;
}

/* Before the window moves: the head so far. */
static void
save_head(struct content_file *f, struct content_line *l)
{
	size_t n = l->head_len < CONTENT_HEAD ? l->head_len : CONTENT_HEAD;

	if (l->head != f->head && n > 0)
		memcpy(f->head, l->head, n);
	l->head = f->head;
	l->head_len = n;
}

bool
content_next_line(struct content_file *f, uint64_t at, uint64_t end,
                  struct content_line *l)
{
	const char *run, *lf = NULL;
	bool cr = false;
	size_t n;

	*l = (struct content_line){ .at = at, .head = "" };
	while (lf == NULL && (n = content_run(f, at + l->len, end, &run)) > 0) {
		size_t len;

		lf = memchr(run, '\n', n);
		len = lf != NULL ? (size_t)(lf - run) : n;
		if (len > 0)
			add_piece(f, l, run, len, &cr);
		if (lf == NULL)
			save_head(f, l);
	}
	if (f->failed || (lf == NULL && l->len == 0))
		return false;
	l->eol = lf == NULL ? 0 : cr ? 2 : 1;
	if (l->eol == 2)
		l->len--;
	else
		l->bare_cr |= cr;
	if (l->head_len > l->len)
		l->head_len = (size_t)l->len;
	return true;
}
