/*
 * Command lines: io_getline() against a plain reading of the same octets, whole and
 * in pieces; then each line as an argument of MAIL, RCPT and VRFY.
 */
#include <sys/socket.h>

#include "base/clock.h"
#include "session/io.h"
#include "session/path.h"
#include "session/reply.h"
#include "tests/fuzz/fuzz.h"

/* What the next line is by RFC 5321 2.3.8 and our limit. *len with its LF; 0: none. */
static enum io_line
expect_line(const char *s, size_t left, size_t *len)
{
	const char *lf = memchr(s, '\n', left);

	*len = lf != NULL ? (size_t)(lf - s) + 1 : 0;
	if (lf == NULL)
		return LINE_NONE;
	if (*len > LIMIT_COMMAND)
		return LINE_LONG;
	if (*len < 2 || s[*len - 2] != '\r' || memchr(s, '\r', *len - 2) != NULL)
		return LINE_BARE;
	return memchr(s, '\0', *len - 2) != NULL ? LINE_NUL : LINE_OK;
}

static void
check_reply(const struct reply *r)
{
	CHECK(r == NULL || (r->code >= 500 && r->code < 560 && r->enhanced[0] == '5'));
}

static void
check_argument(const char *line)
{
	struct mail_parameters p;
	struct address a;
	const struct reply *r = path_read_mail(line, &a, &p);

	check_reply(r);
	if (r == NULL) {
		CHECK(is_address_safe(a.local, a.domain) && !(p.eight_bit && p.binary));
		CHECK(strlen(p.auth) < sizeof p.auth && strchr(p.auth, ' ') == NULL);
		CHECK(p.smtputf8 || (!has_utf8(a.local) && !has_utf8(a.domain)));
	}
	for (int utf8 = 0; utf8 < 2; utf8++) {
		struct rcpt_parameters rp;

		r = path_read_rcpt(line, utf8 == 1, &a, &rp);
		check_reply(r);
		if (r == NULL)
			CHECK(is_address_safe(a.local, a.domain) && a.local[0] != '\0' &&
			      (utf8 == 1 || (!has_utf8(a.local) && !has_utf8(a.domain))));
	}
	if (path_read_name(line, &a))
		CHECK(is_address_safe(a.local, a.domain) && a.local[0] != '\0');
}

/* All lines of s, sent in pieces of `piece` octets. */
static void
check_lines(const char *s, size_t size, size_t piece)
{
	static struct io io;
	size_t at = 0, sent = 0, len;
	enum io_result result = IO_OK;
	int pair[2];
	char *line;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	io_init(&io, pair[0], pair[0], clock_ms() + 1000000);
	while (result != IO_EOF) {
		size_t n = size - sent < piece ? size - sent : piece;
		enum io_line want, got;

		if (n > 0)
			CHECK(write(pair[1], s + sent, n) == (ssize_t)n);
		else
			CHECK(shutdown(pair[1], SHUT_WR) == 0);
		sent += n;
		while ((got = io_getline(&io, n > 0 ? 0 : 5, &line, &result)) != LINE_NONE) {
			want = expect_line(s + at, sent - at, &len);
			CHECK(got == want && len > 0);
			if (got == LINE_OK)
				CHECK(strlen(line) == len - 2 && memcmp(line, s + at, len - 2) == 0);
			at += len;
		}
		CHECK(result == (n > 0 ? IO_TIMEOUT : IO_EOF));
	}
	CHECK(expect_line(s + at, size - at, &len) == LINE_NONE);
	CHECK(close(pair[0]) == 0 && close(pair[1]) == 0);
}

/* A line that is being dropped is forgotten by a timeout, which ends a session. */
static bool
has_long_line(const char *s, size_t size)
{
	size_t run = 0;

	for (size_t i = 0; i < size; i++) {
		run = s[i] == '\n' ? 0 : run + 1;
		if (run >= LIMIT_COMMAND)
			return true;
	}
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s, *p;

	if (size > 8 * LIMIT_COMMAND)
		return 0;
	s = fuzz_string(data, size);
	check_lines(s, size, size + 1);
	if (!has_long_line(s, size)) {
		check_lines(s, size, 1 + size / 24);
		check_lines(s, size, 2 + size / 7);
	}
	for (p = s; p < s + size; p += strlen(p) + 1) {
		p[strcspn(p, "\r\n")] = '\0';
		check_argument(p);
	}
	free(s);
	return 0;
}
