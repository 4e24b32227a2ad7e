/* base/envelope.h: written and read back, changed in place, and what is no envelope. */
#include "base/envelope.h"

#include "base/text.h"
#include "tests/unit/test.h"

static struct envelope e, back;
static int fd;

static void
fill(const char *s, size_t len)
{
	MUST(ftruncate(fd, 0) == 0 && pwrite(fd, s, len, 0) == (ssize_t)len);
}

static const char *
content(void)
{
	static char buf[1 << 20];
	ssize_t n = pread(fd, buf, sizeof buf - 1, 0);

	MUST(n >= 0);
	buf[n] = '\0';
	return buf;
}

static void
add_to(const char *address, unsigned notify, const char *orcpt)
{
	struct envelope_to *to = &e.to[e.n++];

	memset(to, 0, sizeof *to);
	MUST(parse_address(address, &to->address) && text_copy(to->orcpt, sizeof to->orcpt, orcpt));
	to->notify = notify;
	to->state = ENVELOPE_TODO;
}

static void
plain(void)
{
	memset(&e, 0, sizeof e);
	MUST(text_copy(e.id, sizeof e.id, "6b03029aba16b.1.1"));
	MUST(parse_address("alice@example.org", &e.sender));
	e.arrived = 1795346553;
	e.skip = 312;
	e.size = 4096;
	e.body = BODY_8BITMIME;
	add_to("bob@example.net", NOTIFY_FAILURE | NOTIFY_DELAY, "rfc822;bob@example.net");
}

/* The file in envelope.h's head. */
#define HEAD "postern 1\nid 6b03029aba16b.1.1\nhold -\narrived 1795346553\nskip 312\nsize 4096\n"
#define MORE "body 8BITMIME\nutf8 no\n"
#define SENDER "sender alice@example.org\n"
#define TO "to .- 0000000000 000 FAILURE,DELAY rfc822;bob@example.net bob@example.net\n"

static void
test_plain(void)
{
	plain();
	MUST(ftruncate(fd, 0) == 0);
	TEST(envelope_write(fd, &e) == 0, "an envelope is written");
	TEST_STR(content(), HEAD MORE SENDER TO "end\n", "as envelope.h shows it");
}

static bool
same(const char *what)
{
	const char *why = "";
	bool good;

	MUST(ftruncate(fd, 0) == 0);
	good = envelope_write(fd, &e) == 0 && envelope_read(fd, &back, &why) == 1;
	/* Where things stand in the file is not the writer's to say. */
	e.hold_at = back.hold_at;
	for (unsigned i = 0; good && i < e.n; i++)
		e.to[i].at = back.to[i].at;
	good = good && back.n == e.n &&
	       strcmp(back.id, e.id) == 0 && back.hold == e.hold && back.arrived == e.arrived &&
	       back.skip == e.skip && back.size == e.size && back.body == e.body &&
	       back.utf8 == e.utf8 && back.require_tls == e.require_tls && back.ret == e.ret &&
	       back.by.mode == e.by.mode && back.by.when == e.by.when &&
	       back.by.trace == e.by.trace && back.release == e.release && back.hold_for == e.hold_for &&
	       back.priority == e.priority &&
	       strcmp(back.envid, e.envid) == 0 && strcmp(back.auth, e.auth) == 0 &&
	       strcmp(back.login, e.login) == 0 && strcmp(back.sender.local, e.sender.local) == 0 &&
	       strcmp(back.sender.domain, e.sender.domain) == 0;
	for (unsigned i = 0; good && i < e.n; i++) {
		const struct envelope_to *a = &e.to[i], *b = &back.to[i];

		good = strcmp(a->address.local, b->address.local) == 0 &&
		       strcmp(a->address.domain, b->address.domain) == 0 &&
		       a->notify == b->notify && strcmp(a->orcpt, b->orcpt) == 0 &&
		       a->state == b->state && a->delay_told == b->delay_told &&
		       a->next == b->next && a->attempts == b->attempts;
	}
	return TEST(good, "%s comes back as it was (%s)", what, why);
}

static void
test_back(void)
{
	plain();
	same("the plain one");
	e.hold = e.utf8 = e.require_tls = true;
	e.ret = RET_HDRS;
	e.body = BODY_BINARYMIME;
	MUST(text_copy(e.envid, sizeof e.envid, "a b+c=;") &&
	     text_copy(e.auth, sizeof e.auth, "<>") &&
	     text_copy(e.login, sizeof e.login, "alice@example.org"));
	e.by = (struct deliver_by){ BY_NOTIFY, true, 1795346613 };
	e.release = 1795350153;
	e.hold_for = 3600;
	e.priority = -4;
	e.sender = (struct address){ "", "" };
	add_to("\"with blank\"@example.net", 0, "");
	add_to("b\xc3\xbc@\xc3\xa4.example", NOTIFY_NEVER, "utf-8;b\xc3\xbc@\xc3\xa4.example");
	add_to("x@[IPv6:2001:db8::1]", NOTIFY_SUCCESS, "x400;/S=a b/+=");
	e.to[1].state = ENVELOPE_DONE;
	e.to[0].state = ENVELOPE_DELIVERED;
	e.to[3].state = ENVELOPE_HELD;
	e.to[2].state = ENVELOPE_FAILED;
	e.to[2].delay_told = true;
	e.to[2].next = 1795346999;
	e.to[2].attempts = 999;
	same("one with all there is");
	plain();
	while (e.n < LIMIT_RECIPIENTS) {
		char address[400], *local = repeat('+', 64), *orcpt = repeat('=', LIMIT_ORCPT);

		snprintf(address, sizeof address, "%s@%s.%s.%s.%u.example", local,
		         repeat('a', 63), repeat('b', 63), repeat('c', 50), e.n);
		memcpy(orcpt, "rfc822;", 7);
		add_to(address, NOTIFY_FAILURE, orcpt);
	}
	same("the longest");
}

static void
test_refused(void)
{
	static const char *const ids[] = { "", ".", "..", "a/b", "a b", ".m" };

	for (size_t i = 0; i < LENGTH(ids); i++) {
		plain();
		MUST(text_copy(e.id, sizeof e.id, ids[i]));
		errno = 0;
		TEST(envelope_write(fd, &e) == -1 && errno == EINVAL, "id %s is refused", show(ids[i]));
	}
	plain();
	e.n = 0;
	TEST(envelope_write(fd, &e) == -1, "no recipient: refused");
	plain();
	e.skip = 5000;
	TEST(envelope_write(fd, &e) == -1, "skip over size: refused");
	plain();
	e.to[0].address.domain[0] = '\0';
	TEST(envelope_write(fd, &e) == -1, "a recipient without domain: refused");
	plain();
	MUST(text_copy(e.to[0].orcpt, 20, "nothing"));
	TEST(envelope_write(fd, &e) == -1, "an ORCPT without type: refused");
}

static void
test_marks(void)
{
	const char *why;

	plain();
	add_to("carol@example.net", 0, "");
	MUST(ftruncate(fd, 0) == 0 && envelope_write(fd, &e) == 0 &&
	     envelope_read(fd, &e, &why) == 1);
	e.to[1].state = ENVELOPE_FAILED;
	e.to[1].delay_told = true;
	e.to[1].next = 1795350000;
	e.to[1].attempts = 1234;
	TEST(envelope_mark(fd, &e.to[1]) == 0, "a mark is written");
	TEST_STR(content(), HEAD MORE SENDER TO
	         "to Fd 1795350000 999 - - carol@example.net\nend\n", "in its place");
	TEST(envelope_hold(fd, &e, true) == 0 && strstr(content(), "\nhold h\n") != NULL, "held");
	TEST(envelope_read(fd, &back, &why) == 1 && back.hold && back.to[0].state == ENVELOPE_TODO &&
	     back.to[1].state == ENVELOPE_FAILED, "both are read back");
	TEST(envelope_hold(fd, &e, false) == 0 && strstr(content(), "\nhold -\n") != NULL, "released");
	e.to[0].next = -1;
	TEST(envelope_mark(fd, &e.to[0]) == 0 && envelope_read(fd, &back, &why) == 1 &&
	     back.to[0].next == 0, "a time before 1970 is 0");
}

static const struct {
	const char *what, *file, *why;
} foreign[] = {
	{ "an empty file", "", "no envelope: expected the line 'postern 1'" },
	{ "a message", "Return-Path: <>\n", "no envelope: expected the line 'postern 1'" },
	{ "another version", "postern 2\nid a\n", "an envelope of another version of Postern" },
	{ "no end", HEAD MORE SENDER TO, "cut off, or a line too long" },
	{ "an end without LF", HEAD MORE SENDER TO "end", "cut off, or a line too long" },
	{ "no recipient", HEAD MORE SENDER "end\n", "no recipient" },
	{ "more behind", HEAD MORE SENDER TO "end\nto\n", "more behind the end" },
	{ "head only", HEAD, "cut off, or a line too long" },
	{ "a key unknown", HEAD "colour red\n" MORE SENDER TO "end\n", "body" },
	{ "another order", HEAD "utf8 no\nbody 7BIT\n" SENDER TO "end\n", "body" },
	{ "a body unknown", HEAD "body 9BIT\nutf8 no\n" SENDER TO "end\n", "body" },
	{ "by without a mode", HEAD MORE "by 5\n" SENDER TO "end\n", "by" },
	{ "by with another mode", HEAD MORE "by 5 X\n" SENDER TO "end\n", "by" },
	{ "by with seconds only", HEAD MORE "by -5 N\n" SENDER TO "end\n", "by" },
	{ "release 0", HEAD MORE "release 0\n" SENDER TO "end\n", "release" },
	{ "holdfor before release", HEAD MORE "holdfor 1\nrelease 9\n" SENDER TO "end\n", "sender" },
	{ "priority 0x3", HEAD MORE "priority 0x3\n" SENDER TO "end\n", "priority" },
	{ "priority 10", HEAD MORE "priority 10\n" SENDER TO "end\n", "priority" },
	{ "requiretls no", HEAD MORE "requiretls no\n" SENDER TO "end\n", "requiretls" },
	{ "ret -", HEAD MORE "ret -\n" SENDER TO "end\n", "ret" },
	{ "a sender of one word", HEAD MORE "sender alice\n" TO "end\n", "sender" },
	{ "bad xtext", HEAD MORE "sender a+XX@b\n" TO "end\n", "sender" },
	{ "a path as id", "postern 1\nid ../x\nhold -\n", "id" },
	{ "a size past all", "postern 1\nid a\nhold -\narrived 1\nskip 1\nsize 9999999999999999999\n",
	  "size" },
	{ "skip over size", "postern 1\nid a\nhold -\narrived 1\nskip 2\nsize 1\n" MORE SENDER TO,
	  "skip" },
	{ "a state unknown", HEAD MORE SENDER "to X- 0000000000 000 - - a@b.c\nend\n", "to" },
	{ "a short mark", HEAD MORE SENDER "to .- 000000000 000 - - a@b.c\nend\n", "to" },
	{ "letters for digits", HEAD MORE SENDER "to .- 00000x0000 000 - - a@b.c\nend\n", "to" },
	{ "NEVER and more", HEAD MORE SENDER "to .- 0000000000 000 NEVER,DELAY - a@b.c\nend\n", "to" },
	{ "too few words", HEAD MORE SENDER "to .- 0000000000 000 - a@b.c\nend\n", "to" },
};

static void
test_foreign(void)
{
	static char zeros[1 << 17];
	const char *why;

	for (size_t i = 0; i < LENGTH(foreign); i++) {
		fill(foreign[i].file, strlen(foreign[i].file));
		why = "";
		TEST(envelope_read(fd, &back, &why) == 0 && strcmp(why, foreign[i].why) == 0,
		     "%s: %s", foreign[i].what, why);
	}
	fill(zeros, sizeof zeros);
	TEST(envelope_read(fd, &back, &why) == 0, "zeros are no envelope");
	TEST(envelope_read(-1, &back, &why) == -1 && errno == EBADF, "an error is an error");
}

static const struct {
	const char *s;
	int bits; /* -1: refused */
} notifies[] = {
	{ "NEVER", NOTIFY_NEVER }, { "never", NOTIFY_NEVER }, { "SUCCESS", NOTIFY_SUCCESS },
	{ "DELAY,FAILURE", NOTIFY_DELAY | NOTIFY_FAILURE }, { "Success,success", NOTIFY_SUCCESS },
	{ "", -1 }, { "-", -1 }, { "NEVER,DELAY", -1 }, { "DELAY,", -1 }, { ",DELAY", -1 },
	{ "DELAYS", -1 }, { "DELA", -1 }, { "DELAY, FAILURE", -1 },
};

static const struct {
	const char *s;
	bool good;
} orcpts[] = {
	{ "rfc822;a@b", true }, { "x400;a b", true }, { "utf-8;\xc3\xbc@b", true },
	{ "", false }, { ";a", false }, { "rfc822;", false }, { "rfc822", false },
	{ "rfc 822;a", false }, { "rfc822;a\r\nb", false }, { "rfc822;\xff", false },
	{ "a@b;c", false },
};

static void
test_values(void)
{
	char *long_one;
	for (size_t i = 0; i < LENGTH(notifies); i++) {
		unsigned n = 99;
		bool good = parse_notify(notifies[i].s, &n);

		TEST(good == (notifies[i].bits != -1) && n == (good ? (unsigned)notifies[i].bits : 99),
		     "NOTIFY=%s", notifies[i].s);
	}
	for (unsigned n = 0; n < 16; n++) {
		char buf[64];
		unsigned again = 0;
		struct text t;

		text_init(&t, buf, sizeof buf);
		envelope_notify_text(&t, n);
		if (n == 0)
			TEST_STR(buf, "-", "no NOTIFY");
		else if ((n & NOTIFY_NEVER) == 0 || n == NOTIFY_NEVER)
			TEST(parse_notify(buf, &again) && again == n, "%s and back", buf);
	}
	for (size_t i = 0; i < LENGTH(orcpts); i++)
		TEST(is_orcpt(orcpts[i].s) == orcpts[i].good, "ORCPT %s", show(orcpts[i].s));
	long_one = repeat('a', LIMIT_ORCPT + 1);
	long_one[1] = ';';
	TEST(!is_orcpt(long_one), "an ORCPT too long");
	long_one[LIMIT_ORCPT] = '\0';
	TEST(is_orcpt(long_one), "and one that is just not");
}

int
main(void)
{
	fd = memfd_create("envelope", MFD_CLOEXEC);
	MUST(fd != -1);
	test_plain();
	test_back();
	test_refused();
	test_marks();
	test_foreign();
	test_values();
	return 0;
}
