/* keeper/resolve.h: from a recipient to mailboxes, and every way to be refused. */
#include "keeper/resolve.h"

#include "tests/unit/tree.h"

static struct targets targets;
static struct resolver resolver;

static struct address
address(const char *text)
{
	struct address a;

	if (!parse_address(text, &a)) {
		MUST(strchr(text, '@') == NULL && text_copy(a.local, sizeof a.local, text));
		a.domain[0] = '\0';
	}
	return a;
}

/* "a.test/x b.test/y" for the links of one recipient, or the answer's letter. */
static const char *
resolve(const char *text, uint64_t size, uint64_t *limit)
{
	static char got[16384];
	struct address a = address(text);
	unsigned first = targets.n_links;
	unsigned destinations = targets.n_destinations;
	enum answer answer = resolve_recipient(&resolver, &a, size, &targets, limit);

	got[0] = '\0';
	if (answer != ANSWER_YES) {
		if (targets.n_links != first || targets.n_destinations != destinations)
			return "(targets changed)";
		snprintf(got, sizeof got, "-%c", (char)answer);
		return got;
	}
	for (unsigned i = first; i < targets.n_links; i++) {
		const char *path = targets.destinations[targets.links[i]].path;
		size_t len = strlen(got);
		int n = snprintf(got + len, sizeof got - len, "%s%s", i > first ? " " : "",
		                 path + strlen("mail/"));

		MUST(n >= 0 && (size_t)n < sizeof got - len);
	}
	return got;
}

static void
clear(void)
{
	targets.n_destinations = targets.n_links = targets.n_remotes = 0;
}

static const struct {
	const char *to, *want; /* a letter of enum answer behind "-" */
} rows[] = {
	{ "alice@a.test", "a.test/alice" },
	{ "ALICE@A.TEST", "a.test/alice" },
	{ "alice+tag@a.test", "a.test/alice" },
	{ "\"alice\"@a.test", "a.test/alice" },
	{ "\"a b\"@a.test", "a.test/a%20b" },
	{ "\"../alice\"@a.test", "-u" },
	{ "nobody@a.test", "-u" },
	{ "+tag@a.test", "-u" },
	{ "alice@A\xef\xbc\x8etest", "a.test/alice" }, /* FULLWIDTH FULL STOP: a dot, by IDNA */
	{ "alice@none.test", "-r" },
	{ "alice@[192.0.2.1]", "-r" },
	{ "alice@xn--a.test", "-r" },
	{ "file@a.test", "-e" },       /* a file where the mailbox should be */
	{ "link@a.test", "-e" },       /* a symbolic link */
	/* catchall */
	{ "bob@c.test", "c.test/bob" },
	{ "anybody@c.test", "c.test/info" },
	{ "any+tag@c.test", "c.test/info" },
	{ "+tag@c.test", "c.test/info" },
	{ "x@nocatch.test", "-u" },
	/* postmaster */
	{ "postmaster", "a.test/alice" },
	{ "POSTMASTER", "a.test/alice" },
	{ "alice", "-u" },
	{ "postmaster@a.test", "a.test/alice" },
	{ "Postmaster+x@a.test", "-u" },
	{ "postmaster@c.test", "a.test/alice" },  /* before the catchall */
	{ "postmaster@p.test", "p.test/postmaster" },
	{ "postmaster@none.test", "-r" },
	/* forward files */
	{ "both@a.test", "a.test/alice a.test/bob" },
	{ "copy@a.test", "a.test/copy a.test/alice" },
	{ "owntag@a.test", "a.test/owntag" },
	{ "same@a.test", "a.test/alice" },
	{ "twice@a.test", "a.test/alice a.test/bob" },
	{ "other@a.test", "c.test/bob" },
	{ "some@a.test", "a.test/bob" },          /* bad and dead lines are passed over */
	{ "dead@a.test", "-u" },
	{ "empty@a.test", "-u" },
	{ "self@a.test", "a.test/self" },
	{ "remote@a.test", "a.test/alice /elsewhere.test" }, /* a mailbox and a queue */
	{ "loop1@a.test", "-l" },
	{ "loop2@a.test", "-l" },
	{ "loopout@a.test", "a.test/alice" },     /* a circle that also leads somewhere */
	{ "d9@a.test", "a.test/alice" },
	{ "d10@a.test", "-l" },
	{ "toc@a.test", "c.test/info" },
	{ "topm@a.test", "a.test/alice" },
	/* what is wrong with a domain is ours to mend */
	{ "x@broken.test", "-e" },
};

static void
make_boxes(void)
{
	char name[32], target[32];

	make_domain("a.test", "");
	make_domain("c.test", "catchall = info\n");
	make_domain("p.test", "");
	make_domain("nocatch.test", "catchall = gone\n");
	make_domain("broken.test", "size = lots\n");
	make_domain("small.test", "size = 64K\n");
	make_domain("mid.test", "size = 100K\nquota = 80K\n");
	make_box("a.test/alice", NULL);
	make_box("a.test/bob", NULL);
	make_box("a.test/a%20b", NULL);
	make_box("c.test/bob", NULL);
	make_box("c.test/info", NULL);
	make_box("p.test/postmaster", NULL);
	make_box("small.test/x", NULL);
	make_box("mid.test/x", NULL);
	make_box("a.test/both", "alice@a.test\nbob@a.test\n");
	make_box("a.test/copy", "copy@a.test\nalice@a.test\n");
	make_box("a.test/owntag", "OwnTag+x@A.test\n");
	make_box("a.test/same", "alice@a.test\nALICE+x@a.test\n");
	make_box("a.test/twice", "both@a.test\nbob@a.test\n");
	make_box("a.test/other", "bob@c.test\n");
	make_box("a.test/some", "no address\nnobody@a.test\nx@invalid..test\nbob@a.test\n");
	make_box("a.test/dead", "nobody@a.test\n");
	make_box("a.test/empty", "# nobody\n");
	make_box("a.test/self", "self@a.test\n");
	make_box("a.test/remote", "alice@a.test\nx@elsewhere.test\n");
	make_box("a.test/loop1", "loop2@a.test\n");
	make_box("a.test/loop2", "loop1@a.test\n");
	make_box("a.test/loopout", "loop1@a.test\nloopout2@a.test\n");
	make_box("a.test/loopout2", "loopout@a.test\nalice@a.test\n");
	make_box("a.test/toc", "x@c.test\n");
	make_box("a.test/topm", "postmaster@a.test\n");
	make_box("a.test/tosmall", "x@small.test\n");
	for (int i = 1; i <= 10; i++) {
		snprintf(name, sizeof name, "a.test/d%d", i);
		snprintf(target, sizeof target, i > 1 ? "d%d@a.test" : "alice@a.test", i - 1);
		make_box(name, target);
	}
	put(state, "mail/a.test/file", "x");
	MUST(symlinkat("alice", state, "mail/a.test/link") == 0);
}

static void
test_rows(void)
{
	uint64_t limit = 1 << 30;

	for (size_t i = 0; i < LENGTH(rows); i++) {
		clear();
		TEST_STR(resolve(rows[i].to, 0, &limit), rows[i].want, "%s leads to %s",
		         show(rows[i].to), rows[i].want);
	}
}

/* Many recipients of one message: each mailbox once, each recipient its own run. */
static void
test_dedupe(void)
{
	uint64_t limit = 1 << 30;

	clear();
	(void)resolve("both@a.test", 0, &limit);
	TEST_STR(resolve("alice@a.test", 0, &limit), "a.test/alice", "again: its own link");
	TEST_STR(resolve("alice+x@a.test", 0, &limit), "a.test/alice", "and again");
	(void)resolve("nobody@a.test", 0, &limit);
	(void)resolve("remote@a.test", 0, &limit);
	TEST_STR(resolve("bob@c.test", 0, &limit), "c.test/bob", "after refused ones");
	TEST(targets.n_destinations == 4 && targets.n_links == 7 && targets.n_remotes == 1,
	     "three mailboxes and a queue of six recipients");
}

static void
test_limits(void)
{
	static const struct {
		const char *to;
		uint64_t size;
		const char *want;
		uint64_t limit;
	} sizes[] = {
		{ "alice@a.test", 1 << 20, "a.test/alice", 1 << 30 },
		{ "x@small.test", 65536, "small.test/x", 65536 },
		{ "x@small.test", 65537, "-S", 1 << 30 },
		{ "tosmall@a.test", 0, "small.test/x", 65536 },
		{ "tosmall@a.test", 65537, "-S", 1 << 30 },
		{ "x@mid.test", 0, "mid.test/x", 102400 },
		{ "x@mid.test", 81920, "mid.test/x", 102400 },
		{ "x@mid.test", 81921, "-Q", 1 << 30 },
		{ "x@mid.test", 102401, "-S", 1 << 30 },
	};

	for (size_t i = 0; i < LENGTH(sizes); i++) {
		uint64_t limit = 1 << 30;

		clear();
		TEST_STR(resolve(sizes[i].to, sizes[i].size, &limit), sizes[i].want,
		         "%s with %ju octets", sizes[i].to, (uintmax_t)sizes[i].size);
		TEST(limit == sizes[i].limit, "and the limit is %ju", (uintmax_t)sizes[i].limit);
	}
}

/* One more mailbox than a message may have. */
static void
test_many(void)
{
	static char list[LIMIT_FORWARD_TARGETS * 24];
	uint64_t limit = 1 << 30;
	char name[64];
	int n = 0;

	for (int i = 0; i < LIMIT_FORWARD_TARGETS; i++) {
		snprintf(name, sizeof name, "p.test/m%03d", i);
		make_box(name, NULL);
		n += snprintf(list + n, sizeof list - (size_t)n, "m%03d@p.test\n", i);
	}
	list[n - (int)strlen("m499@p.test\n")] = '\0';
	make_box("p.test/list", list);
	clear();
	(void)resolve("list@p.test", 0, &limit);
	TEST(targets.n_destinations == LIMIT_FORWARD_TARGETS - 1, "a list of %d",
	     LIMIT_FORWARD_TARGETS - 1);
	make_box("p.test/list2", "list@p.test\nm499@p.test\nalice@a.test\n");
	clear();
	TEST_STR(resolve("list2@p.test", 0, &limit), "-l", "too many mailboxes of one recipient");
	clear();
	targets.n_destinations = LIMIT_DESTINATIONS;
	TEST_STR(resolve("alice@a.test", 0, &limit), "-m", "too many mailboxes of one message");
	clear();
	targets.n_links = LENGTH(targets.links);
	TEST_STR(resolve("alice@a.test", 0, &limit), "-m", "too many links");
}

static void
test_relay(void)
{
	char *value = repeat('x', LIMIT_DOMAIN + 2);
	uint64_t limit = 1 << 30;

	resolver.may_relay = true;
	clear();
	TEST_STR(resolve("x@none.test", 0, &limit), "/none.test", "may relay: a queue");
	TEST_STR(resolve("x@[192.0.2.1]", 0, &limit), "/%5B192.0.2.1%5D", "may relay to a literal");
	TEST_STR(resolve("alice@a.test", 0, &limit), "a.test/alice", "may relay: ours is ours");
	TEST_STR(resolve("nobody@a.test", 0, &limit), "-u", "may relay: and not found not found");
	resolver.append = ".test";
	TEST_STR(resolve("alice@a", 0, &limit), "a.test/alice", "RELAYCLIENT goes behind");
	resolver.append = value;
	TEST_STR(resolve("alice@a.test", 0, &limit), "-h", "RELAYCLIENT too long: no such domain");
	resolver.append = "";
	resolver.may_relay = false;
	tree_conf.postmaster.domain[0] = '\0';
	TEST_STR(resolve("postmaster", 0, &limit), "-u", "no postmaster configured");
	TEST_STR(resolve("postmaster@c.test", 0, &limit), "c.test/info", "then the catchall has it");
	tree_conf.postmaster = address("postmaster@a.test");
	TEST_STR(resolve("postmaster", 0, &limit), "-u", "a postmaster that is itself: no end");
	tree_conf.postmaster = address("alice@a.test");
	free(value);
}

static char told[512];

static void
tell(void *context, const struct address *a)
{
	size_t len = strlen(told);

	(void)context;
	snprintf(told + len, sizeof told - len, "%s@%s|", a->local, a->domain);
}

static void
test_expand(void)
{
	static const struct {
		const char *to;
		enum answer want;
		const char *told;
	} lists[] = {
		{ "both@a.test", ANSWER_YES, "alice@a.test|bob@a.test|" },
		{ "some@a.test", ANSWER_YES, "nobody@a.test|bob@a.test|" },
		{ "remote@a.test", ANSWER_YES, "alice@a.test|x@elsewhere.test|" },
		{ "alice@a.test", ANSWER_YES, "alice@a.test|" },
		{ "nobody@a.test", ANSWER_NO_USER, "" },
		{ "x@none.test", ANSWER_NO_USER, "" },
		{ "x@[192.0.2.1]", ANSWER_NO_USER, "" },
		{ "+@a.test", ANSWER_NO_USER, "" },
	};

	for (size_t i = 0; i < LENGTH(lists); i++) {
		struct address a = address(lists[i].to);

		told[0] = '\0';
		TEST(resolve_expand(&resolver, &a, tell, NULL) == lists[i].want, "EXPN %s",
		     lists[i].to);
		TEST_STR(told, lists[i].told, "and what it tells");
	}
}

int
main(void)
{
	needs_openat2("resolve");
	make_tree();
	make_boxes();
	tree_conf.postmaster = address("alice@a.test");
	resolver.conf = &tree_conf;
	resolver.state = state;
	resolver.domains = domains_dir;
	resolver.append = "";
	catch_log();
	test_rows();
	test_dedupe();
	test_limits();
	test_many();
	test_relay();
	test_expand();
	TEST(strstr(caught_log(), "mailbox is a symbolic link") != NULL,
	     "the log says what to do about a link");
	return 0;
}
