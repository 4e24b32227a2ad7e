/* See lines.h. */
#include "spool/lines.h"

#include <string.h>

void
lines_init(struct lines *l)
{
	l->cr = l->open = l->eight = false;
}

static void
note_eight(struct lines *l, const char *s, size_t len)
{
	unsigned char all = 0;

	for (size_t i = 0; i < len; i++)
		all |= (unsigned char)s[i];
	l->eight |= all >= 0x80;
}

size_t
lines_convert(struct lines *l, const char *in, size_t len, char *out)
{
	const char *end = in + len;
	char *p = out;

	if (!l->eight)
		note_eight(l, in, len);
	while (in < end) {
		const char *cr;
		size_t run;

		if (l->cr && *in != '\n')
			*p++ = ' ';
		l->cr = false;
		cr = memchr(in, '\r', (size_t)(end - in));
		run = (size_t)((cr != NULL ? cr : end) - in);
		memcpy(p, in, run);
		p += run;
		in += run;
		if (cr != NULL) {
			l->cr = true;
			in++;
		}
	}
	if (p > out)
		l->open = p[-1] != '\n';
	l->open |= l->cr;
	return (size_t)(p - out);
}

size_t
lines_finish(struct lines *l, char out[1])
{
	bool open = l->open;

	l->cr = l->open = false; /* a last CR ends its line */
	out[0] = '\n';
	return open ? 1 : 0;
}
