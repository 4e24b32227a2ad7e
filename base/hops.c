/* See hops.h. After the header, and inside long lines, it costs a memchr. */
#include "base/hops.h"

#include <string.h>

static const char field[] = "received:";

void
hops_init(struct hops *h)
{
	memset(h, 0, sizeof *h);
	h->line_start = true;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* One octet of a line that may still be "Received:". */
static void
match_octet(struct hops *h, char c)
{
	/* In bounds: at its end `mismatch` is set, which the analyzer cannot know. */
	if (lower(c) != field[h->matched]) { /* NOLINT(clang-analyzer-core.*) */
		h->mismatch = true;
	} else if (++h->matched == sizeof field - 1) {
		h->received++;
		h->mismatch = true; /* the rest of the line does not matter */
	}
}

void
hops_feed(struct hops *h, const char *buf, size_t len)
{
	const char *end = buf + len;

	while (buf < end && !h->done) {
		if (h->mismatch) {
			buf = memchr(buf, '\n', (size_t)(end - buf));
			if (buf == NULL)
				return;
		}
		if (*buf == '\n') {
			h->done = h->line_start;
			h->line_start = true;
			h->matched = 0;
			h->mismatch = false;
		} else if (*buf != '\r' || !h->line_start) { /* BINARYMIME keeps CR */
			h->line_start = false;
			match_octet(h, *buf);
		}
		buf++;
	}
}
