/* spool/list.h: address lists as headers and command lines have them. */
#include "spool/list.h"
#include "tests/unit/test.h"

struct told {
	char buf[1024];
	struct text t;
	unsigned n, stop; /* each() says no at this one */
};

static bool
tell(void *context, const struct list_item *item)
{
	struct told *told = context;

	if (++told->n == told->stop)
		return false;
	if (told->t.len > 0)
		text_addc(&told->t, ' ');
	address_text(&told->t, &item->address);
	text_addc(&told->t, '/');
	text_addu(&told->t, item->end);
	return true;
}

static bool
read_list(const char *s, struct told *told)
{
	text_init(&told->t, told->buf, sizeof told->buf);
	told->n = 0;
	return list_read(s, strlen(s), tell, told);
}

static const struct {
	const char *in, *want; /* each address, and where a domain would be put in */
} good[] = {
	{ "", "" },
	{ " \t\r\n ", "" },
	{ "a@b.c", "a@b.c/1" },
	{ "a@b.c, d@e.f", "a@b.c/1 d@e.f/8" },
	{ ",, a ,,b,", "a/4 b/8" },
	{ "root", "root/4" },
	{ "root (Cron Daemon)", "root/4" },
	{ "(Mr. (really) X) root", "root/21" },
	{ "(\\) \\( ) a", "a/10" },
	{ "John Smith <js@x.y>", "js@x.y/14" },
	{ "J. Smith <js@x.y>", "js@x.y/12" },
	{ "\"Smith, John\" <js@x.y>", "js@x.y/17" },
	{ "=?UTF-8?Q?J=C3=B6?= <j@x.y>", "j@x.y/22" },
	{ "<a@b.c>", "a@b.c/2" },
	{ "<a>", "a/2" },
	{ "<>", "" },
	{ "\"a b\"@c.d", "\"a b\"@c.d/5" },
	{ "\"a\\\"b\"@c.d", "\"a\\\"b\"@c.d/6" },
	{ "a . b @ c . d", "a.b@c.d/5" },
	{ "a(x).(y)b@c(z).d", "a.b@c.d/9" },
	{ "a@[192.0.2.1]", "a@[192.0.2.1]/1" },
	{ "a@[IPv6:2001:db8::1], b", "a@[IPv6:2001:db8::1]/1 b/23" },
	{ "grp: a@b.c, d;", "a@b.c/6 d/13" },
	{ "undisclosed-recipients:;", "" },
	{ "A Group:Ed <joe@x.y>,,x (z);, last", "joe@x.y/15 x/23 last/34" },
	{ "<@r.x,@s.y:a@b.c>", "a@b.c/12" },
	{ "a@b.c;d@e.f", "a@b.c/1 d@e.f/7" },
	{ "a@b.c,\r\n d@e.f", "a@b.c/1 d@e.f/10" },
	{ "j\xc3\xb6@b\xc3\xbc.de", "j\xc3\xb6@b\xc3\xbc.de/3" },
};

static const char *const bad[] = {
	"John Smith", "a@", "@b", "a@b@c", "a b@c", "<a", "a>", "<<a>>", "<a b>", "<a>b",
	"a..b@c", ".a@b", "a.@b", "(a", "a (b", "\"a", "\"a@b", "a@[1.2", "[1.2]", "a@b.[1]",
	"g: h: a;", ": a", "<a:b@c>", "a\\b@c", "a\x01@c", "a@b_c", "a@-b", "\"\"@a",
	"<@a,b@c>", "\"a\nb\x01\"@c",
};

static void
test_limits(void)
{
	char *local = repeat('a', LIMIT_LOCAL + 1);
	char *address = malloc(2 * LIMIT_LOCAL + 16);
	struct told told = { .stop = 0 };

	MUST(address != NULL);
	(void)snprintf(address, 2 * LIMIT_LOCAL + 16, "%s@b", local);
	TEST(!read_list(address, &told), "a local-part of 65 octets");
	TEST(read_list(address + 1, &told), "a local-part of 64 octets");
	told.stop = 2;
	TEST(!read_list("a, b, c", &told) && told.n == 2, "each() can end it");
	told.stop = 0;
	TEST(!list_read("a\0b", 3, tell, &told), "NUL is no part of an address");
	free(local);
	free(address);
}

int
main(void)
{
	struct told told = { .stop = 0 };

	for (size_t i = 0; i < LENGTH(good); i++) {
		TEST(read_list(good[i].in, &told), "%s is a list", show(good[i].in));
		TEST_STR(told.buf, good[i].want, "addresses of %s", show(good[i].in));
	}
	for (size_t i = 0; i < LENGTH(bad); i++)
		TEST(!read_list(bad[i], &told), "%s is none", show(bad[i]));
	test_limits();
	return 0;
}
