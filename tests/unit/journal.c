/* base/journal.h: lines of the log as the journal's fields. */
#include "base/journal.h"

#include "tests/unit/test.h"

#define HEAD(line) "MESSAGE=" line "\nPRIORITY=6\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=flush\n"

static const struct {
	const char *line, *want;
} rows[] = {
	{ "event=sent", HEAD("event=sent") "POSTERN_EVENT=sent\n" },
	{ "event=sent id=6b.1.1 to=a@b.test", HEAD("event=sent id=6b.1.1 to=a@b.test")
	  "POSTERN_EVENT=sent\nPOSTERN_ID=6b.1.1\nPOSTERN_TO=a@b.test\n" },
	{ "event=x reply=\"550 no \\\"you\\\" \\\\ \\x0a=\" a-b=c",
	  HEAD("event=x reply=\"550 no \\\"you\\\" \\\\ \\x0a=\" a-b=c")
	  "POSTERN_EVENT=x\nPOSTERN_REPLY=550 no \"you\" \\ \\x0a=\nPOSTERN_A_B=c\n" },
	{ "event=x what=\"\" n=1", HEAD("event=x what=\"\" n=1")
	  "POSTERN_EVENT=x\nPOSTERN_WHAT=\nPOSTERN_N=1\n" },
	{ "event=x cut=\"abc", HEAD("event=x cut=\"abc") "POSTERN_EVENT=x\nPOSTERN_CUT=abc\n" },
	{ "no line of ours", HEAD("no line of ours") },
};

int
main(void)
{
	char buf[512];
	struct text t;

	for (size_t i = 0; i < LENGTH(rows); i++) {
		text_init(&t, buf, sizeof buf);
		journal_text(&t, rows[i].line, 6, "flush");
		TEST_STR(buf, rows[i].want, "%s", rows[i].line);
	}
	text_init(&t, buf, 20);
	journal_text(&t, rows[0].line, 6, "flush");
	TEST(!text_ok(&t), "without room it says so");
	return 0;
}
