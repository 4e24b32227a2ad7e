/* session/fixup.h: what submission does to a header (RFC 6409 8), split anywhere. */
#include "session/fixup.h"

#include "base/limits.h"
#include "tests/unit/test.h"

#define ID "Message-ID: <i.1@mx.test>"

/* What has been written; ~ in a row's `want` stands for the date's text. */
static char out[4096];
static size_t out_len;

static void
take(void *context, const char *buf, size_t len)
{
	MUST(context == out && out_len + len < sizeof out);
	memcpy(out + out_len, buf, len);
	out_len += len;
}

/* Feeds s in pieces of `piece` octets, the first one of `first`. */
static void
run(const char *s, size_t len, size_t first, size_t piece)
{
	struct fixup f;
	size_t at = 0;

	out_len = 0;
	fixup_init(&f, "i.1", "mx.test", take, out);
	while (at < len) {
		size_t n = at == 0 && first > 0 ? first : piece;

		n = n < len - at ? n : len - at;
		fixup_feed(&f, s + at, n);
		at += n;
	}
	fixup_finish(&f);
	out[out_len] = '\0';
}

/* Replaces the text of a Date line that we have made by "~". */
static void
hide_date(void)
{
	static const char mark[] = "Date: ";
	char *p = out, *end;

	do {
		p = memmem(p, (size_t)(out + out_len - p), mark, strlen(mark));
		if (p == NULL)
			return;
		p += strlen(mark);
		end = p + strcspn(p, "\r\n");
	} while (end - p != 31 || memcmp(end - 6, " +0000", 6) != 0);
	*p = '~';
	memmove(p + 1, end, (size_t)(out + out_len + 1 - end));
	out_len -= (size_t)(end - p) - 1;
}

static const struct {
	const char *name, *in, *want;
} rows[] = {
	{ "complete", "Date: x\nMessage-ID: y\nA: b\n\nbody\n",
	  "Date: x\nMessage-ID: y\nA: b\n\nbody\n" },
	{ "both missing", "A: b\n\nbody\n", "A: b\nDate: ~\n" ID "\n\nbody\n" },
	{ "Date missing", "Message-ID: y\n\nbody\n", "Message-ID: y\nDate: ~\n\nbody\n" },
	{ "Message-ID missing", "Date: x\n\n", "Date: x\n" ID "\n\n" },
	{ "case does not matter", "dATE: x\nmessage-id: y\nbCC: z\n\n",
	  "dATE: x\nmessage-id: y\n\n" },
	{ "a blank before the colon", "Date : x\nMessage-ID\t: y\nBcc  : z\n\n",
	  "Date : x\nMessage-ID\t: y\n\n" },
	{ "Bcc", "A: b\nBcc: x@y\nC: d\n\nBcc: stays\n",
	  "A: b\nC: d\nDate: ~\n" ID "\n\nBcc: stays\n" },
	{ "Bcc first and last", "Bcc: x\nA: b\nBcc: y\n\n", "A: b\nDate: ~\n" ID "\n\n" },
	{ "Bcc folded", "Bcc: x,\n y,\n\tz\nA: b\n c\n\n", "A: b\n c\nDate: ~\n" ID "\n\n" },
	{ "Bcc empty", "Bcc:\n\n", "Date: ~\n" ID "\n\n" },
	{ "Resent-Bcc", "Resent-Bcc: x\nResent-To: y\n\n",
	  "Resent-To: y\nDate: ~\n" ID "\n\n" },
	{ "Bcc is no start of a name", "Bccx: a\nX-Bcc: b\nBc: c\n\n",
	  "Bccx: a\nX-Bcc: b\nBc: c\nDate: ~\n" ID "\n\n" },
	{ "Date is no start of a name", "Dates: a\nMessage-IDs: b\nMessage-I: c\n\n",
	  "Dates: a\nMessage-IDs: b\nMessage-I: c\nDate: ~\n" ID "\n\n" },
	{ "a name longer than what is held", "Resent-Message-ID-And-More: x\n y\n\n",
	  "Resent-Message-ID-And-More: x\n y\nDate: ~\n" ID "\n\n" },
	{ "a name of just what is held", "ABCDEFGHIJKLMNOP: x\n\n",
	  "ABCDEFGHIJKLMNOP: x\nDate: ~\n" ID "\n\n" },
	{ "and one less", "ABCDEFGHIJKLMNO: x\n\n",
	  "ABCDEFGHIJKLMNO: x\nDate: ~\n" ID "\n\n" },
	{ "a Date in the body is none", "A: b\n\nDate: x\nMessage-ID: y\n",
	  "A: b\nDate: ~\n" ID "\n\nDate: x\nMessage-ID: y\n" },
	{ "a Date that is folded into another field is none", "A: b\n Date: x\n\n",
	  "A: b\n Date: x\nDate: ~\n" ID "\n\n" },
	{ "no header", "\nbody\n", "Date: ~\n" ID "\n\nbody\n" },
	{ "a body at once", "no field\nbody\n", "Date: ~\n" ID "\n\nno field\nbody\n" },
	{ "a body that begins with a blank", " text\nA: b\n", " text\nA: b\nDate: ~\n" ID "\n" },
	{ "a body behind a field, no empty line", "A: b\ntext\nBcc: c\n",
	  "A: b\nDate: ~\n" ID "\n\ntext\nBcc: c\n" },
	{ "a header alone", "A: b\n", "A: b\nDate: ~\n" ID "\n" },
	{ "a header alone, complete", "Date: x\nMessage-ID: y\n", "Date: x\nMessage-ID: y\n" },
	{ "Bcc alone", "Bcc: x\n", "Date: ~\n" ID "\n" },
	{ "a field without an end", "A: b", "A: b\nDate: ~\n" ID "\n" },
	{ "a field's start without an end", "A", "Date: ~\n" ID "\n\nA" },
	{ "Bcc without an end", "A: b\nBcc: x", "A: b\nDate: ~\n" ID "\n" },
	{ "a folded Bcc without an end", "Bcc: x\n y", "Date: ~\n" ID "\n" },
	{ "a body without an end", "A: b\n\nbody", "A: b\nDate: ~\n" ID "\n\nbody" },
	{ "nothing", "", "Date: ~\n" ID "\n" },
	{ "an empty line", "\n", "Date: ~\n" ID "\n\n" },
	/* BODY=BINARYMIME: octets as they came, so lines end in CRLF */
	{ "CRLF", "A: b\r\nBcc: x\r\n y\r\nC: d\r\n\r\n\xff\r\n",
	  "A: b\r\nC: d\r\nDate: ~\r\n" ID "\r\n\r\n\xff\r\n" },
	{ "CRLF, no header", "\r\nbody\r\n", "Date: ~\r\n" ID "\r\n\r\nbody\r\n" },
	{ "CRLF, a header alone", "A: b\r\n", "A: b\r\nDate: ~\r\n" ID "\r\n" },
	{ "CRLF, Bcc alone", "Bcc: b\r\n", "Date: ~\r\n" ID "\r\n" },
	{ "CRLF, complete", "Date: x\r\nMessage-ID: y\r\n\r\n", "Date: x\r\nMessage-ID: y\r\n\r\n" },
	{ "CRLF, a body at once", "no field\r\n", "Date: ~\r\n" ID "\r\n\r\nno field\r\n" },
	{ "CRLF, a body behind a field", "A: b\r\ntext\r\n",
	  "A: b\r\nDate: ~\r\n" ID "\r\n\r\ntext\r\n" },
};

static bool
is_wanted(const char *want)
{
	hide_date();
	return strcmp(out, want) == 0;
}

/* Whole, then in two pieces at every place, then in pieces of each size. */
static void
test_rows(void)
{
	for (size_t i = 0; i < LENGTH(rows); i++) {
		size_t len = strlen(rows[i].in);
		bool good = true;

		run(rows[i].in, len, 0, len + 1);
		hide_date();
		TEST_STR(out, rows[i].want, "%s", rows[i].name);
		for (size_t n = 1; n <= len; n++) {
			run(rows[i].in, len, n, len);
			good &= is_wanted(rows[i].want);
			run(rows[i].in, len, 0, n);
			good &= is_wanted(rows[i].want);
		}
		TEST(good, "%s, in pieces", rows[i].name);
	}
}

/* NUL is an octet like any other. */
static void
test_nul(void)
{
	static const char in[] = "A: \0b\nBcc: \0c\n\n\0\n", want[] = "A: \0b\n";

	run(in, sizeof in - 1, 0, 3);
	TEST(memcmp(out, want, sizeof want - 1) == 0 && memcmp(out + out_len - 3, "\n\0\n", 3) == 0 &&
	     memmem(out, out_len, "Bcc", 3) == NULL, "NUL in fields and body");
}

/* The longest of what we add fits. */
static void
test_longest(void)
{
	char *id = repeat('i', LIMIT_ID), *host = repeat('h', LIMIT_DOMAIN);
	struct fixup f;

	out_len = 0;
	fixup_init(&f, id, host, take, out);
	fixup_finish(&f);
	out[out_len] = '\0';
	TEST(out_len < LIMIT_FIXUP && strcmp(out + out_len - 2, ">\n") == 0, "the longest: %zu octets",
	     out_len);
	free(id);
	free(host);
}

int
main(void)
{
	test_rows();
	test_nul();
	test_longest();
	return 0;
}
