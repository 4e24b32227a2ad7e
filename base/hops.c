/* See hops.h. After the header, and inside long lines, it costs a memchr. */
#include "base/hops.h"

#include <string.h>

static const char received[] = "received:";
static const char delivered_to[] = "delivered-to:";

/* FNV-1a: only equality matters, and who forges one refuses his own message. */
#define HASH_START 0xcbf29ce484222325U
#define HASH_FACTOR 0x100000001b3U

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

static uint64_t
hash_octet(uint64_t hash, char c)
{
	if (c == ' ' || c == '\t' || c == '\r')
		return hash;
	return (hash ^ (unsigned char)lower(c)) * HASH_FACTOR;
}

uint64_t
hops_hash(const char *address)
{
	uint64_t hash = HASH_START;

	for (; *address != '\0'; address++)
		hash = hash_octet(hash, *address);
	return hash;
}

/* One octet of a line that may still have a name we look for. */
static void
match_octet(struct hops *h, char c)
{
	if (h->matched == 0)
		h->field = lower(c) == 'd' ? delivered_to : received;
	if (lower(c) != h->field[h->matched]) {
		h->mismatch = true;
		return;
	}
	if (h->field[++h->matched] != '\0')
		return;
	if (h->field == received)
		h->received++;
	h->in_value = h->field == delivered_to && h->n_known > 0;
	h->hash = HASH_START;
	h->mismatch = !h->in_value; /* the rest of the line does not matter */
}

static void
end_line(struct hops *h)
{
	for (unsigned i = 0; h->in_value && i < h->n_known; i++)
		h->again |= h->known[i] == h->hash;
	h->done = h->line_start;
	h->line_start = true;
	h->matched = 0;
	h->mismatch = h->in_value = false;
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
			end_line(h);
		} else if (h->in_value) {
			h->hash = hash_octet(h->hash, *buf);
		} else if (*buf != '\r' || !h->line_start) { /* BINARYMIME keeps CR */
			h->line_start = false;
			match_octet(h, *buf);
		}
		buf++;
	}
}
