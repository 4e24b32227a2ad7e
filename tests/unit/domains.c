/* base/domains.h: which files count, and which of them mention a key. */
#include "base/domains.h"

#include "tests/unit/test.h"

static int dir;

static const struct {
	const char *content;
	bool has;
} mentions[] = {
	{ "etrn = a\n", true },
	{ "deliver = hold\netrn = a\n", true },
	{ "deliver = hold\n \t etrn=a", true },
	{ "", false },
	{ "# etrn = a\n", false },
	{ "catchall = etrn\n", false },
	{ "catchall = etrn\netrn\n", true },
};

static void
test_mentions(void)
{
	static const char nul[] = "deliver = hold\n\0etrn = a\n";
	static char large[70000];

	for (size_t i = 0; i < LENGTH(mentions); i++) {
		put(dir, "x.test.conf", mentions[i].content);
		TEST(domains_mention(dir, "x.test", "etrn") == mentions[i].has &&
		     domains_any_mention(dir, "etrn") == mentions[i].has, "file %zu", i);
	}
	TEST(!domains_mention(dir, "y.test", "etrn"), "no file");
	/* What cannot be told cheaply is for who reads it as a whole. */
	put_n(dir, "x.test.conf", nul, sizeof nul - 1);
	TEST(domains_mention(dir, "x.test", "etrn"), "a file with a NUL");
	memset(large, '#', sizeof large);
	put_n(dir, "x.test.conf", large, sizeof large);
	TEST(domains_mention(dir, "x.test", "etrn"), "a file that is too long");
}

static void
test_names(void)
{
	static const char *const files[] = { "a.test.conf", "xn--bcher-kva.test.conf",
		"A.test.conf", "b.test", ".conf", "..conf", "b.test.conf~", "b\xc3\xbc.test.conf" };
	struct domains d;
	unsigned found = 0, n = 0;

	MUST(unlinkat(dir, "x.test.conf", 0) == 0);
	for (size_t i = 0; i < LENGTH(files); i++)
		put(dir, files[i], "etrn = a\n");
	MUST(domains_open(&d, dir));
	while (domains_next(&d)) {
		n++;
		found += strcmp(d.name, "a.test") == 0 || strcmp(d.name, "xn--bcher-kva.test") == 0;
	}
	domains_close(&d);
	TEST(n == 2 && found == 2, "names: %u files are domains, %u of them right", n, found);
	for (size_t i = 0; i < LENGTH(files); i++)
		MUST(unlinkat(dir, files[i], 0) == 0);
	TEST(!domains_any_mention(dir, "etrn"), "no domain at all");
	TEST(!domains_open(&d, -1), "no directory");
}

int
main(void)
{
	dir = scratch();
	test_mentions();
	test_names();
	return 0;
}
