/* keeper/forward.h: lines, comments, what is no address, files too long. */
#include "keeper/forward.h"

#include "tests/unit/test.h"

static int state;
static struct forward f;

/* want: "LINE:local@domain|", "LINE:bad|" in order. */
static const struct {
	const char *what, *content, *want;
} rows[] = {
	{ "empty", "", "" },
	{ "one", "a@b.test\n", "1:a@b.test|" },
	{ "no line end", "a@b.test", "1:a@b.test|" },
	{ "two", "a@b.test\nc@d.test\n", "1:a@b.test|2:c@d.test|" },
	{ "CRLF", "a@b.test\r\nc@d.test\r\n", "1:a@b.test|2:c@d.test|" },
	{ "comments and blanks", "# x@y.test\n\n \t\na@b.test\n  # c\n", "4:a@b.test|" },
	{ "white space around", "  a@b.test\t \n", "1:a@b.test|" },
	{ "quoted", "\"a # b\"@b.test\n", "1:a # b@b.test|" },
	{ "a literal", "a@[192.0.2.1]\n", "1:a@[192.0.2.1]|" },
	{ "UTF-8", "j\xc3\xbc@\xc3\xbc.test\n", "1:j\xc3\xbc@\xc3\xbc.test|" },
	{ "no domain", "a\nb@c.test\n", "1:bad|2:b@c.test|" },
	{ "a comment behind", "a@b.test # me\n", "1:bad|" },
	{ "two on a line", "a@b.test c@d.test\na@b.test,c@d.test\n", "1:bad|2:bad|" },
	{ "angle brackets", "<a@b.test>\n", "1:bad|" },
	{ "a command", "|/bin/sh\n/var/mail/x\n&a@b.test\n", "1:bad|2:bad|3:&a@b.test|" },
	{ "latin-1", "j\xfc@b.test\n", "1:bad|" },
	{ "a CR inside", "a@b.test\rc@d.test\n", "1:bad|" },
};

static const char *
read_all(void)
{
	static char got[512];
	struct address a;
	enum forward_line line;

	got[0] = '\0';
	while ((line = forward_next(&f, &a)) != FORWARD_END) {
		size_t len = strlen(got);

		if (line == FORWARD_BAD)
			snprintf(got + len, sizeof got - len, "%u:bad|", f.line);
		else
			snprintf(got + len, sizeof got - len, "%u:%s@%s|", f.line, a.local,
			         a.domain);
	}
	return got;
}

static void
test_odd_files(void)
{
	static char big[LIMIT_FORWARD_FILE + 2];

	put_n(state, "u/forward", "a@b.test\0\nc@d.test\0x\ne@f.test\n", 30);
	TEST(forward_open(&f, state, "u") == 0 &&
	     strcmp(read_all(), "1:bad|2:bad|3:e@f.test|") == 0, "a NUL is part of no address");
	memset(big, '\n', sizeof big);
	put_n(state, "u/forward", big, LIMIT_FORWARD_FILE);
	TEST(forward_open(&f, state, "u") == 0 && read_all()[0] == '\0', "LIMIT_FORWARD_FILE octets");
	put_n(state, "u/forward", big, LIMIT_FORWARD_FILE + 1);
	errno = 0;
	TEST(forward_open(&f, state, "u") == -1 && errno == EFBIG, "one octet more");
	MUST(unlinkat(state, "u/forward", 0) == 0);
	TEST(forward_open(&f, state, "u") == 1, "no file");
	TEST(forward_open(&f, state, "none") == 1, "no mailbox");
	make_dir(state, "u/forward");
	errno = 0;
	TEST(forward_open(&f, state, "u") == -1 && errno == EISDIR, "a directory");
	MUST(unlinkat(state, "u/forward", AT_REMOVEDIR) == 0);
	MUST(symlinkat("/etc/passwd", state, "u/forward") == 0);
	errno = 0;
	TEST(forward_open(&f, state, "u") == -1 && errno == ELOOP, "a symbolic link");
	MUST(unlinkat(state, "u/forward", 0) == 0 && mkfifoat(state, "u/forward", 0600) == 0);
	TEST(forward_open(&f, state, "u") == 0 && read_all()[0] == '\0', "a fifo does not hang us");
}

int
main(void)
{
	needs_openat2("forward");
	state = scratch();
	make_dir(state, "u");
	for (size_t i = 0; i < LENGTH(rows); i++) {
		put(state, "u/forward", rows[i].content);
		MUST(forward_open(&f, state, "u") == 0);
		TEST_STR(read_all(), rows[i].want, "%s", rows[i].what);
	}
	test_odd_files();
	return 0;
}
