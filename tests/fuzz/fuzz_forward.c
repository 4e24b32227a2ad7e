/*
 * Forward files: the input is those of the mailboxes a to f of x.test, a form feed
 * between two. Each line is read as a plain reading would; then mail for a@x.test must
 * lead somewhere or be refused, in time, each mailbox once.
 */
#include "keeper/resolve.h"
#include "tests/fuzz/fuzz.h"

static struct conf conf;
static struct resolver resolver;

static void
start(void)
{
	int dir = fuzz_scratch();

	fuzz_mkdir(dir, "mail");
	fuzz_mkdir(dir, "mail/x.test");
	for (char name[] = "mail/x.test/a"; name[12] <= 'f'; name[12]++)
		fuzz_mkdir(dir, name);
	fuzz_mkdir(dir, "mail/x.test/postmaster");
	fuzz_put(dir, "x.test.conf", "catchall = c\nquota = 1M\n", 24);
	fuzz_put(dir, "y.test.conf", "size = 64K\n", 11);
	fuzz_mkdir(dir, "mail/y.test");
	fuzz_mkdir(dir, "mail/y.test/b");
	resolver.conf = &conf;
	resolver.state = resolver.domains = dir;
	resolver.append = "";
	CHECK(parse_address("postmaster@x.test", &conf.postmaster));
	fuzz_catch_log();
}

/* What the line is without its white space; NULL: it does not count. */
static const char *
trim(const char *line, size_t *len)
{
	while (*len > 0 && (line[*len - 1] == ' ' || line[*len - 1] == '\t' ||
	                    line[*len - 1] == '\r'))
		--*len;
	while (*len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		--*len;
	}
	return *len == 0 || *line == '#' ? NULL : line;
}

static void
check_lines(const char *s, size_t size)
{
	static struct forward f;
	unsigned number = 0;
	struct address a, b;

	CHECK(forward_open(&f, resolver.state, "mail/x.test/a") == 0);
	while (size > 0) {
		const char *lf = memchr(s, '\n', size);
		size_t whole = lf != NULL ? (size_t)(lf - s) + 1 : size;
		size_t len = whole - (lf != NULL);
		const char *line = trim(s, &len);

		number++;
		if (line != NULL) {
			bool good = address_read(&b, line, len) == len;

			CHECK(forward_next(&f, &a) == (good ? FORWARD_ADDRESS : FORWARD_BAD));
			CHECK(f.line == number);
			CHECK(!good || (strcmp(a.local, b.local) == 0 &&
			                strcmp(a.domain, b.domain) == 0));
		}
		s += whole;
		size -= whole;
	}
	CHECK(forward_next(&f, &a) == FORWARD_END);
}

static void
check_resolved(const char *local, bool may_relay)
{
	static struct targets targets;
	struct address a = { .domain = "x.test" };
	uint64_t limit = 1 << 30;
	enum answer answer;

	CHECK(text_copy(a.local, sizeof a.local, local));
	targets.n_destinations = targets.n_links = targets.n_remotes = 0;
	resolver.may_relay = may_relay;
	answer = resolve_recipient(&resolver, &a, 100, &targets, &limit);
	if (answer != ANSWER_YES) {
		CHECK(strchr("urhle", (int)answer) != NULL);
		CHECK(targets.n_destinations == 0 && targets.n_links == 0 &&
		      targets.n_remotes == 0 && limit == 1 << 30);
		return;
	}
	CHECK(targets.n_links > 0 && targets.n_links == targets.n_destinations);
	for (unsigned i = 0; i < targets.n_destinations; i++) {
		const char *path = targets.destinations[i].path;

		/* A queue is made when it is needed; one for each rewritten sender's domain. */
		CHECK(targets.destinations[i].queue ? strncmp(path, "spool/", 6) == 0 :
		      faccessat(resolver.state, path, F_OK, 0) == 0);
		for (unsigned k = 0; k < i; k++)
			CHECK(targets.destinations[k].queue || strcmp(targets.destinations[k].path, path) != 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *s = (const char *)data;
	char path[] = "mail/x.test/a/forward";

	if (size > 4096)
		return 0;
	if (resolver.conf == NULL)
		start();
	for (; path[12] <= 'f'; path[12]++) {
		const char *end = memchr(s, '\f', size);
		size_t len = end != NULL ? (size_t)(end - s) : size;

		if (len > 0)
			fuzz_put(resolver.state, path, s, len);
		else if (unlinkat(resolver.state, path, 0) == -1)
			CHECK(errno == ENOENT);
		if (len > 0 && path[12] == 'a')
			check_lines(s, len);
		s += len + (end != NULL);
		size -= len + (end != NULL);
	}
	check_resolved("a", false);
	check_resolved("A+tag", true);
	check_resolved("nobody", false);
	fuzz_check_log();
	return 0;
}
