/* front/sources.h: who counts as one source, how many it may have and begin. */
#include "front/sources.h"

#include "tests/unit/test.h"

#define MINUTE ((int64_t)60 * 1000)

static struct sources table;

static struct ip
ip(const char *s)
{
	struct ip a = { .known = false };

	MUST(s == NULL || parse_ip(s, &a));
	return a;
}

static int
enter(const char *s, uint64_t max, uint64_t rate, int64_t now)
{
	struct ip a = ip(s);

	return sources_enter(&table, &a, max, rate, now);
}

static void
start_anew(void)
{
	memset(&table, 0, sizeof table);
}

/* Connections of `second` are those of `first`. */
static const struct {
	const char *first, *second;
	bool same;
} pairs[] = {
	{ "192.0.2.1", "192.0.2.1", true },
	{ "192.0.2.1", "::ffff:192.0.2.1", true },
	{ "192.0.2.1", "192.0.2.2", false },
	{ "0.0.0.0", "0.0.0.1", false },
	{ "192.0.2.1", "::192.0.2.1", false },
	{ "192.0.2.1", "::1", false },
	{ "2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true },
	{ "2001:db8:0:1::1", "2001:db8:0:2::1", false },
	{ "2001:db8::1", "2001:db8:0:1::1", false },
	{ "::1", "::2", true },
	{ "::ffff:192.0.2.1", "::fffe:192.0.2.1", false },
};

static void
test_pairs(void)
{
	for (size_t i = 0; i < LENGTH(pairs); i++) {
		start_anew();
		MUST(enter(pairs[i].first, 1, 0, 0) >= 0);
		TEST((enter(pairs[i].second, 1, 0, 0) == -1) == pairs[i].same, "%s and %s are %s",
		     pairs[i].first, pairs[i].second, pairs[i].same ? "one source" : "two");
	}
}

static void
test_open(void)
{
	int place;

	start_anew();
	for (int i = 0; i < 3; i++)
		place = enter("192.0.2.1", 3, 0, 0);
	TEST(place >= 0 && enter("192.0.2.1", 3, 0, 0) == -1, "three of three, no fourth");
	TEST(enter("192.0.2.2", 3, 0, 0) >= 0, "another source has places of its own");
	sources_leave(&table, place);
	TEST(enter("192.0.2.1", 3, 0, 0) >= 0, "one leaves, one may come");
	TEST(enter("192.0.2.1", 3, 0, 100 * MINUTE) == -1, "open ones count for ever");
	TEST(enter("192.0.2.1", 4, 0, 100 * MINUTE) >= 0, "the limit may rise");
	TEST(enter("192.0.2.1", 1, 0, 100 * MINUTE) == -1, "or fall below what is open");
	for (int i = 0; i < 10; i++)
		sources_leave(&table, place);
	TEST(enter("192.0.2.1", 1, 0, 100 * MINUTE) >= 0, "who leaves too often owes nothing");
}

static void
test_rate(void)
{
	int place = -1;

	start_anew();
	for (int i = 0; i < 5; i++) {
		place = enter("192.0.2.1", 100, 5, i * 1000);
		MUST(place >= 0);
		sources_leave(&table, place);
	}
	TEST(enter("192.0.2.1", 100, 5, 5000) == -1, "five in a minute, no sixth");
	TEST(enter("192.0.2.1", 100, 5, MINUTE - 1) == -1, "until the minute is over");
	TEST(enter("192.0.2.1", 100, 5, MINUTE) >= 0, "then again");
	for (int i = 0; i < 4; i++)
		(void)enter("192.0.2.1", 100, 5, MINUTE + 1);
	TEST(enter("192.0.2.1", 100, 5, 2 * MINUTE - 1) == -1, "the minute starts anew");
	TEST(enter("192.0.2.1", 100, 0, 2 * MINUTE - 1) >= 0, "rate 0: any");
	TEST(enter("192.0.2.1", 100, 5, 2 * MINUTE) >= 0, "with the old ones still open");
}

static void
test_unknown(void)
{
	bool all = true;

	start_anew();
	for (int i = 0; i < 100; i++)
		all &= enter(NULL, 1, 1, 0) >= 0;
	TEST(all, "unix sockets are not limited");
	TEST(enter("::", 1, 1, 0) == -1 || enter("::", 1, 1, 0) == -1,
	     "the address :: is one like others");
}

/* As many sources as there can be connections, each told from the others. */
static void
test_many(void)
{
	static int places[LIMIT_CONNECTIONS];
	unsigned lost = 0, twice = 0, shared = 0;
	static bool seen[SOURCES_PLACES];

	start_anew();
	for (unsigned i = 0; i < LIMIT_CONNECTIONS; i++) {
		unsigned char four[4] = { 10, (unsigned char)(i >> 16), (unsigned char)(i >> 8),
		                          (unsigned char)i };
		struct ip a;

		ip_from_ipv4(&a, four);
		places[i] = sources_enter(&table, &a, 1, 0, 0);
		lost += places[i] == -1;
		twice += sources_enter(&table, &a, 1, 0, 0) != -1;
		if (places[i] >= 0) {
			shared += seen[places[i]];
			seen[places[i]] = true;
		}
	}
	TEST(lost == 0 && twice == 0 && shared == 0,
	     "%d sources at once, each with a place of its own", LIMIT_CONNECTIONS);
	for (unsigned i = 0; i < LIMIT_CONNECTIONS; i++)
		if (places[i] >= 0)
			sources_leave(&table, places[i]);
	/* Gone, but remembered for their minute: more of them than there are places. */
	for (unsigned i = lost = 0; i < 5 * LIMIT_CONNECTIONS; i++) {
		char text[48];
		int place;

		snprintf(text, sizeof text, "2001:db8:%x:%x::1", i >> 16, i & 0xffff);
		place = enter(text, 1, 0, MINUTE + i);
		lost += place == -1;
		if (place >= 0)
			sources_leave(&table, place);
	}
	TEST(lost == 0, "a flood of %d sources shuts no other out", 5 * LIMIT_CONNECTIONS);
}

int
main(void)
{
	test_pairs();
	test_open();
	test_rate();
	test_unknown();
	test_many();
	return 0;
}
