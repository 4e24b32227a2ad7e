/*
 * spool/letter.h, header.h and lines.h: what becomes of a message that a mail program
 * pipes into sendmail. Each is fed whole and octet by octet: the result is the same.
 */
#include "spool/letter.h"
#include "tests/unit/test.h"

static const struct {
	const char *what, *in;
	bool t, dots;
	const char *want; /* DATE, and the id, are written as they are below */
	const char *to;
} rows[] = {
	{ "a whole header stays", "From: a@x\nDate: d\nMessage-ID: <i>\nSubject: s\n\nbody\n",
	  false, false, "From: a@x\nDate: d\nMessage-ID: <i>\nSubject: s\n\nbody\n", "" },
	{ "what is missing comes", "Subject: s\n\nb\n", false, false,
	  "Subject: s\nFrom: \"Al\" <al@our.test>\nDATE\nMessage-ID: <id@mx.test>\n\nb\n", "" },
	{ "no header at all", "hello\nthere\n", false, false,
	  "From: \"Al\" <al@our.test>\nDATE\nMessage-ID: <id@mx.test>\n\nhello\nthere\n", "" },
	{ "nothing at all", "", false, false,
	  "From: \"Al\" <al@our.test>\nDATE\nMessage-ID: <id@mx.test>\n\n", "" },
	{ "a header without an end", "From: a@x\nDate: d\nMessage-ID: <i>", false, false,
	  "From: a@x\nDate: d\nMessage-ID: <i>\n\n", "" },
	{ "CRLF, and a CR that is none", "From: a@x\r\nDate: d\r\nMessage-ID: <i>\r\n\r\na\rb\r\n",
	  false, false, "From: a@x\nDate: d\nMessage-ID: <i>\n\na b\n", "" },
	{ "a mailbox's From line", "From a Sun Nov\nFrom: a@x\nDate: d\nMessage-ID: <i>\n\nb",
	  false, false, "From: a@x\nDate: d\nMessage-ID: <i>\n\nb\n", "" },
	{ "a dot ends it", "From: a@x\nDate: d\nMessage-ID: <i>\n\n..\n.b\n.\nrest\n", false, true,
	  "From: a@x\nDate: d\nMessage-ID: <i>\n\n..\n.b\n", "" },
	{ "a dot without a line's end, too", "From: a@x\nDate: d\nMessage-ID: <i>\n\nb\n.", false,
	  true, "From: a@x\nDate: d\nMessage-ID: <i>\n\nb\n", "" },
	{ "a dot in the header", "From: a@x\nDate: d\nMessage-ID: <i>\n.\nrest\n", false, true,
	  "From: a@x\nDate: d\nMessage-ID: <i>\n\n", "" },
	{ "with -i it does not", "From: a@x\nDate: d\nMessage-ID: <i>\n\n.\nrest\n", false, false,
	  "From: a@x\nDate: d\nMessage-ID: <i>\n\n.\nrest\n", "" },
	{ "-t, Bcc goes, folds", "From: a@x\nDate: d\nMessage-ID: <i>\nTo: b@x,\n c@x\nBcc: d@x,\n"
	  "\te@x\nCC: f@x\n\n", true, false,
	  "From: a@x\nDate: d\nMessage-ID: <i>\nTo: b@x,\n c@x\nCC: f@x\n\n",
	  "b@x c@x d@x e@x f@x" },
	{ "-t with Resent fields", "From: a@x\nDate: d\nMessage-ID: <i>\nTo: b@x\nResent-To: c@x\n"
	  "Resent-Bcc: d@x\n\n", true, false,
	  "From: a@x\nDate: d\nMessage-ID: <i>\nTo: b@x\nResent-To: c@x\n\n", "c@x d@x" },
	{ "names get a domain", "From: root (Cron Daemon)\nTo: al, Bo <bo>, c@x\n"
	  "Cc: grp: dee (d), e@x;\nDate: d\nMessage-ID: <i>\n\n", true, false,
	  "From: root@our.test (Cron Daemon)\nTo: al@our.test, Bo <bo@our.test>, c@x\n"
	  "Cc: grp: dee@our.test (d), e@x;\nDate: d\nMessage-ID: <i>\n\n",
	  "al@our.test bo@our.test c@x dee@our.test e@x" },
	{ "without -t nobody is found", "From: a@x\nDate: d\nMessage-ID: <i>\nTo: b@x\nBcc: c@x\n\n",
	  false, false, "From: a@x\nDate: d\nMessage-ID: <i>\nTo: b@x\n\n", "" },
	{ "what no list is stays", "From: John Smith\nDate: d\nMessage-ID: <i>\n\n", false, false,
	  "From: John Smith\nDate: d\nMessage-ID: <i>\n\n", "" },
	{ "no field, then the body", "From: a@x\nDate: d\nMessage-ID: <i>\nno field\nTo: b@x\n",
	  true, false, "From: a@x\nDate: d\nMessage-ID: <i>\n\nno field\nTo: b@x\n", "" },
	{ "blanks before the colon", "From : a@x\nDATE\t: d\nmessage-id:<i>\nBcc : b@x\n\n", true,
	  false, "From : a@x\nDATE\t: d\nmessage-id:<i>\n\n", "b@x" },
	{ "Return-Path and Content-Length go", "Return-Path: <z>\nFrom: a@x\nContent-Length: 5\n"
	  "Date: d\nMessage-ID: <i>\n\n", false, false,
	  "From: a@x\nDate: d\nMessage-ID: <i>\n\n", "" },
};

/* "Date: " and what the clock says become "DATE", so that it can be compared. */
static const char *
stored(int fd)
{
	static char buf[4096], out[8192];
	ssize_t n = pread(fd, buf, sizeof buf - 1, 0);
	char *date;

	MUST(n >= 0);
	buf[n] = '\0';
	date = strstr(buf, " +0000\n");
	if (date == NULL)
		return buf;
	*strstr(buf, "\nDate: ") = '\0';
	(void)snprintf(out, sizeof out, "%s\nDATE%s", buf, date + 6);
	return out;
}

static const char *
recipients(const struct order *o)
{
	static char buf[512];
	struct text t;

	text_init(&t, buf, sizeof buf);
	for (unsigned i = 0; i < o->n; i++) {
		text_add(&t, i > 0 ? " " : "");
		address_text(&t, &o->to[i]);
	}
	return buf;
}

static void
test_row(size_t i, size_t step)
{
	static struct order o;
	struct header_rules rules = { .recipients = rows[i].t, .domain = "our.test",
	                              .host = "mx.test", .id = "id", .from = "al@our.test",
	                              .name = "Al" };
	struct verdict v = { .code = SPOOL_DONE };
	struct stage stage;
	struct letter l = { .rules = &rules, .order = &o, .stage = &stage, .v = &v,
	                    .dots = rows[i].dots };
	size_t len = strlen(rows[i].in);
	bool good;

	order_init(&o);
	MUST(stage_open(&stage, -1, 1 << 20, &v) && letter_open(&l));
	good = true;
	for (size_t at = 0; at < len && good; at += step)
		good = letter_feed(&l, rows[i].in + at, len - at < step ? len - at : step);
	TEST(good && letter_finish(&l), "%s, by %zu", rows[i].what, step);
	letter_close(&l);
	TEST_STR(stored(stage.fd), rows[i].want, "%s, by %zu: the text", rows[i].what, step);
	TEST_STR(recipients(&o), rows[i].to, "%s, by %zu: recipients", rows[i].what, step);
	stage_close(&stage);
}

static bool
feed(const char *in, size_t times, const char *part, uint64_t limit, struct verdict *v)
{
	static struct order o;
	struct header_rules rules = { .recipients = true, .domain = "d", .host = "h", .id = "i",
	                              .from = "a@d", .name = "" };
	struct stage stage;
	struct letter l = { .rules = &rules, .order = &o, .stage = &stage, .v = v };
	bool good;

	order_init(&o);
	v->code = SPOOL_DONE;
	MUST(stage_open(&stage, -1, limit, v) && letter_open(&l));
	good = letter_feed(&l, in, strlen(in));
	for (size_t i = 0; i < times && good; i++)
		good = letter_feed(&l, part, strlen(part));
	good = good && letter_finish(&l);
	letter_close(&l);
	stage_close(&stage);
	return good;
}

static void
test_refused(void)
{
	char *part = repeat('x', 1024);
	struct verdict v;

	TEST(!feed("To: John Smith\n\n", 0, "", 1 << 20, &v) && v.code == SPOOL_ENVELOPE,
	     "-t with what is no list");
	TEST(!feed("Subject: ", LIMIT_HEADER / 1024 + 1, part, 1 << 23, &v) &&
	     strcmp(v.status, "5.3.4") == 0, "a header over its limit");
	TEST(!feed("\n", 70, part, 64 * 1024, &v) && strcmp(v.status, "5.3.4") == 0,
	     "a body over its limit");
	TEST(feed("\n", 3000, part, 1 << 23, &v), "more than fits in memory");
	free(part);
}

int
main(void)
{
	for (size_t i = 0; i < LENGTH(rows); i++) {
		test_row(i, 1000);
		test_row(i, 1);
	}
	test_refused();
	return 0;
}
