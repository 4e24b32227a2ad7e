/* keeper/resolve.h: whose address a sender's is (resolve_is_of). */
#include "keeper/resolve.h"

#include "tests/unit/tree.h"

static struct targets found;
static struct resolver resolver;

/* A login, an address, whether it is one of the login's. */
static const struct {
	const char *login, *address;
	bool is;
} rows[] = {
	{ "alice@a.test", "alice@a.test", true },
	{ "alice@a.test", "ALICE@A.TEST", true },
	{ "alice@a.test", "alice+tag@a.test", true },
	{ "alice@a.test", "\"alice\"@a.test", true },
	{ "alice+tag@a.test", "alice@a.test", true },
	{ "alice@a.test", "bob@a.test", false },
	{ "alice@a.test", "alice@c.test", false },
	{ "alice@a.test", "alice@none.test", false },
	{ "alice@a.test", "alice@[192.0.2.1]", false },
	{ "alice@a.test", "nobody@a.test", false },
	{ "alice@a.test", "+tag@a.test", false },
	{ "alice@a.test", "../alice@a.test", false },
	/* aliases, also deep ones, and those of several */
	{ "alice@a.test", "sales@a.test", true },
	{ "bob@a.test", "sales@a.test", true },
	{ "carol@a.test", "sales@a.test", false },
	{ "alice@a.test", "deep@a.test", true },
	{ "alice@a.test", "sales+tag@a.test", true },
	{ "sales@a.test", "sales@a.test", true },
	{ "sales@a.test", "alice@a.test", false },
	/* one with its own address keeps a copy */
	{ "copy@a.test", "copy@a.test", true },
	{ "alice@a.test", "copy@a.test", true },
	/* circles, remote and dead targets say nothing about anybody */
	{ "alice@a.test", "loop@a.test", false },
	{ "alice@a.test", "remote@a.test", false },
	{ "alice@a.test", "broken@a.test", false },
	{ "alice@a.test", "partly@a.test", true },
	/* catchall */
	{ "info@c.test", "anything@c.test", true },
	{ "info@c.test", "bob@c.test", false },
	{ "bob@c.test", "bob@c.test", true },
	{ "alice@a.test", "anything@c.test", false },
	/* postmaster of the host is alice */
	{ "alice@a.test", "postmaster@a.test", true },
	{ "bob@a.test", "postmaster@a.test", false },
	/* a login without a domain is one of this host (hostname mx.test) */
	{ "alice", "alice@mx.test", true },
	{ "alice", "alice@a.test", false },
	{ "alice@mx.test", "alice@mx.test", true },
	{ "root", "alice@a.test", false },
	{ "", "alice@a.test", false },
	{ "a b@c", "alice@a.test", false },
	/* a mailbox is not needed to be somebody */
	{ "ghost@a.test", "ghost@a.test", true },
	/* a full one is its owner's */
	{ "full@q.test", "full@q.test", true },
	{ "full@q.test", "alias@q.test", true },
};

int
main(void)
{
	bool kept = true;

	needs_openat2("resolve_sender");
	make_tree();
	MUST(parse_address("alice@a.test", &tree_conf.postmaster));
	make_domain("a.test", "deliver = maildir\n");
	make_domain("c.test", "catchall = info\n");
	make_domain("mx.test", "");
	make_domain("q.test", "quota = 1\n");
	make_box("a.test/alice", NULL);
	make_box("a.test/bob", NULL);
	make_box("a.test/carol", NULL);
	make_box("a.test/sales", "alice@a.test\nbob@a.test\n");
	make_box("a.test/deep", "sales@a.test\n");
	make_box("a.test/copy", "copy@a.test\nalice@a.test\n");
	make_box("a.test/loop", "loop2@a.test\n");
	make_box("a.test/loop2", "loop@a.test\n");
	make_box("a.test/remote", "alice@elsewhere.test\n");
	make_box("a.test/broken", "no address\n");
	make_box("a.test/partly", "no address\nnobody@a.test\nalice@a.test\n");
	make_box("c.test/info", NULL);
	make_box("c.test/bob", NULL);
	make_box("mx.test/alice", NULL);
	make_box("q.test/full", NULL);
	make_box("q.test/alias", "full@q.test\n");
	make_dir(state, "mail/q.test/full/Maildir");
	make_dir(state, "mail/q.test/full/Maildir/cur");
	make_dir(state, "mail/q.test/full/Maildir/new");
	make_dir(state, "mail/q.test/full/Maildir/tmp");
	put(state, "mail/q.test/full/Maildir/cur/1.M1P1R1.mx.test,S=9:2,S", "123456789");
	resolver = (struct resolver){ .conf = &tree_conf, .state = state,
		                      .domains = domains_dir, .append = ".appended" };
	catch_log();
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct address a;

		/* "../alice": no address, but a session might send it. */
		if (!parse_address(rows[i].address, &a)) {
			const char *at = strchr(rows[i].address, '@');

			MUST(at != NULL && text_copy(a.domain, sizeof a.domain, at + 1));
			memcpy(a.local, rows[i].address, (size_t)(at - rows[i].address));
			a.local[at - rows[i].address] = '\0';
		}
		TEST(resolve_is_of(&resolver, &a, rows[i].login, &found) == rows[i].is,
		     "%s is %s %s's", show(rows[i].address), rows[i].is ? "one of" : "none of",
		     rows[i].login);
		kept &= strcmp(resolver.append, ".appended") == 0 && !resolver.ignore_quota;
	}
	(void)caught_log();
	TEST(kept, "the resolver is as it was");
	return 0;
}
