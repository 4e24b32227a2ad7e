/*
 * session/fixup.h: any message, whole and in pieces, gives one result; that has a Date
 * and a Message-ID, no Bcc, and else what came, in its order.
 */
#include "session/fixup.h"

#include <strings.h>

#include "tests/fuzz/fuzz.h"

struct sink {
	char *buf;
	size_t len, cap;
};

static void
take(void *context, const char *buf, size_t len)
{
	struct sink *s = context;

	CHECK(s->len + len <= s->cap);
	if (len > 0)
		memcpy(s->buf + s->len, buf, len);
	s->len += len;
}

static struct sink
run(const char *in, size_t size, size_t piece)
{
	struct sink s = { .cap = size + 1024 };
	struct fixup f;

	s.buf = malloc(s.cap + 1);
	CHECK(s.buf != NULL);
	fixup_init(&f, "i.1", "mx.test", take, &s);
	for (size_t at = 0, n; at < size; at += n) {
		n = size - at < piece ? size - at : piece;
		fixup_feed(&f, in + at, n);
	}
	fixup_finish(&f);
	s.buf[s.len] = '\0';
	return s;
}

static bool
is_field(const char *line, const char *end, const char *name)
{
	const char *colon = memchr(line, ':', (size_t)(end - line));

	while (colon != NULL && colon > line && (colon[-1] == ' ' || colon[-1] == '\t'))
		colon--;
	return colon != NULL && (size_t)(colon - line) == strlen(name) &&
	       strncasecmp(line, name, strlen(name)) == 0;
}

/* The header as a reader sees it: up to the first line that is none of its. */
static void
check_header(const struct sink *s)
{
	const char *p = s->buf, *end = s->buf + s->len;
	unsigned dates = 0, ids = 0;

	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		const char *eol = lf != NULL ? lf : end;

		if (*p == '\n' || (*p == '\r' && p[1] == '\n'))
			break;
		if (*p != ' ' && *p != '\t') {
			CHECK(memchr(p, ':', (size_t)(eol - p)) != NULL);
			CHECK(!is_field(p, eol, "bcc") && !is_field(p, eol, "resent-bcc"));
			dates += is_field(p, eol, "date");
			ids += is_field(p, eol, "message-id");
		}
		p = lf != NULL ? lf + 1 : end;
	}
	CHECK(dates > 0 && ids > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *in;
	struct sink whole;

	if (size > 4096)
		return 0;
	in = fuzz_string(data, size);
	whole = run(in, size, size + 1);
	for (size_t piece = 1; piece <= size && piece < 40; piece = piece * 2 + 1) {
		struct sink s = run(in, size, piece);

		/* A second may have gone by: so the date's own octets are passed over. */
		CHECK(s.len == whole.len);
		free(s.buf);
	}
	check_header(&whole);
	free(in);
	free(whole.buf);
	return 0;
}
