/* relay/report.h: what stands in reports, what never does, and how many there are. */
#include "relay/report.h"

#include <fcntl.h>

#include "tests/unit/test.h"

static struct conf conf;
static struct envelope e;
static struct outcome outcomes[LIMIT_RECIPIENTS];
static const unsigned short which[] = { 0 };
static int message, out;

static void
set(const char *text)
{
	MUST(ftruncate(message, 0) == 0 && pwrite(message, text, strlen(text), 0) >= 0);
	e.size = strlen(text);
}

static const char *
report(enum report_kind kind)
{
	static char buf[256 * 1024];
	struct report r = { .conf = &conf, .kind = kind, .e = &e, .message_fd = message, .n = 1,
	                    .which = which, .outcomes = outcomes, .host = "mx.there.test",
	                    .address = "192.0.2.1", .now = 1795346553 };
	ssize_t n;

	MUST(ftruncate(out, 0) == 0 && lseek(out, 0, SEEK_SET) == 0);
	if (report_write(out, &r) == -1)
		return "(failed)";
	n = pread(out, buf, sizeof buf - 1, 0);
	MUST(n > 0);
	buf[n] = '\0';
	return buf;
}

static bool
has(enum report_kind kind, const char *words)
{
	return strstr(report(kind), words) != NULL;
}

static void
start(void)
{
	memset(&e, 0, sizeof e);
	e.n = 1;
	e.arrived = 1795000000;
	MUST(text_copy(e.id, sizeof e.id, "6b03.1") && parse_address("a@src.test", &e.sender) &&
	     parse_address("b@there.test", &e.to[0].address));
	outcomes[0] = (struct outcome){ .class = '5', .code = "5.1.1", .remote = true,
	                                .reply = "550 5.1.1 nobody" };
	set("Subject: one\n\nbody\n");
}

static void
test_parts(void)
{
	start();
	TEST(has(REPORT_FAILED, "\nTo: <a@src.test>\n") && has(REPORT_FAILED, "Action: failed\n") &&
	     has(REPORT_FAILED, "Remote-MTA: dns;mx.there.test\n"), "failed");
	TEST(has(REPORT_DELAYED, "Action: delayed\n") && has(REPORT_DELAYED, "Will-Retry-Until: "),
	     "delayed");
	TEST(has(REPORT_RELAYED, "Action: relayed\n"), "relayed");
	MUST(parse_address("pm@src.test", &conf.postmaster));
	TEST(has(REPORT_DOUBLE, "\nTo: <pm@src.test>\n") &&
	     has(REPORT_DOUBLE, "\n" REPORT_DOUBLE_FIELD " yes\n"), "double");
	TEST(!has(REPORT_FAILED, REPORT_DOUBLE_FIELD), "the field is in no other");
	TEST(strstr(report(REPORT_FAILED), "\n\n--=_report_") != NULL &&
	     strcmp(strchr(report(REPORT_FAILED), '\0') - 3, "--\n") == 0, "its end is marked");
}

static void
test_times(void)
{
	start();
	TEST(has(REPORT_FAILED, "\nArrival-Date: ") && !has(REPORT_FAILED, "Deliver-By-Date") &&
	     !has(REPORT_FAILED, "Future-Release-Request"), "no time that nobody has said");
	e.by = (struct deliver_by){ .mode = BY_NOTIFY, .when = 1795003600 };
	e.release = 1795001800;
	TEST(has(REPORT_FAILED, "\nDeliver-By-Date: Wed, 18 Nov 2026 12:06:40 +0000\n"), "BY");
	TEST(has(REPORT_FAILED, "\nFuture-Release-Request: until;2026-11-18T11:36:40Z\n"),
	     "HOLDUNTIL");
	e.hold_for = 1800;
	TEST(has(REPORT_FAILED, "\nFuture-Release-Request: for;1800\n") &&
	     !has(REPORT_FAILED, "until;"), "HOLDFOR, as the client has said it");
}

static void
test_original(void)
{
	static char large[LIMIT_REPORT_MESSAGE + 100];

	start();
	TEST(has(REPORT_FAILED, "text/rfc822-headers") && has(REPORT_FAILED, "\nSubject: one\n") &&
	     !has(REPORT_FAILED, "\nbody\n"), "its header");
	e.ret = RET_FULL;
	TEST(has(REPORT_FAILED, "message/rfc822") && has(REPORT_FAILED, "\nbody\n"), "RET=FULL");
	TEST(!has(REPORT_DELAYED, "\nbody\n") && !has(REPORT_DOUBLE, "\nbody\n"),
	     "of failures only, and never to the postmaster");
	e.body = BODY_BINARYMIME;
	TEST(!has(REPORT_FAILED, "\nbody\n"), "BINARYMIME: its header");
	e.body = BODY_8BITMIME;
	(void)snprintf(large, sizeof large, "Subject: s\n\n%s", repeat('y', LIMIT_REPORT_MESSAGE));
	set(large);
	TEST(!has(REPORT_FAILED, "yyy") && has(REPORT_FAILED, "Subject: s\n"), "too long: its header");
	set("\nno header\n");
	e.ret = RET_HDRS;
	TEST(!has(REPORT_FAILED, "no header"), "no header: nothing");
	e.skip = 3;
	set("12\nSubject: two\r\n\r\nbody\r\n");
	TEST(has(REPORT_FAILED, "\nSubject: two\n") && !has(REPORT_FAILED, "12\n") &&
	     strchr(report(REPORT_FAILED), '\r') == NULL, "what does not travel stays; no CR");
}

static void
test_safe(void)
{
	start();
	MUST(text_copy(outcomes[0].reply, OUTCOME_REPLY, "550 a\nX-Evil: 1\xff\xc3\xbc"));
	TEST(!has(REPORT_FAILED, "\nX-Evil") && !has(REPORT_FAILED, "\xff"), "no line is forged");
	TEST(has(REPORT_FAILED, "\\x{FC}"), "UTF-8 in ASCII parts as RFC 6533 has it");
	e.utf8 = true;
	TEST(has(REPORT_FAILED, "message/global-delivery-status") &&
	     has(REPORT_FAILED, "Diagnostic-Code: smtp;550 a?X-Evil: 1?\xc3\xbc\n"), "and as it is");
}

static void
test_double(void)
{
	start();
	TEST(!report_is_double(&e, message), "no double bounce");
	set("Subject: x\nPOSTERN-double-bounce: yes\n\nbody\n");
	TEST(report_is_double(&e, message), "a double bounce");
	set("Subject: x\n\nPostern-Double-Bounce: yes\n");
	TEST(!report_is_double(&e, message), "not in the body");
	set("X-Postern-Double-Bounce: yes\n\n");
	TEST(!report_is_double(&e, message), "nor behind another name");
}

static void
test_limit(void)
{
	int state = scratch();
	time_t now = 1795346553;

	for (unsigned i = 0; i < 3; i++)
		TEST(!report_is_over(state, "a.test", 3, now), "report %u", i + 1);
	TEST(report_is_over(state, "A.test", 3, now), "the fourth is too many");
	TEST(!report_is_over(state, "b.test", 3, now), "another domain");
	TEST(!report_is_over(state, "a.test", 3, now + 3600), "another hour");
	TEST(!report_is_over(state, "b.test", 0, now), "no limit");
	put(state, "reports", "nonsense");
	TEST(!report_is_over(state, "a.test", 3, now), "a damaged table begins anew");
}

int
main(void)
{
	MUST(text_copy(conf.hostname, sizeof conf.hostname, "mx.src.test"));
	message = memfd_create("message", MFD_CLOEXEC);
	out = memfd_create("out", MFD_CLOEXEC);
	MUST(message != -1 && out != -1);
	test_parts();
	test_times();
	test_original();
	test_safe();
	test_double();
	test_limit();
	return 0;
}
