/* relay/mx.h: the order of mail servers; relay/dane.h: which TLSA records count. */
#include "relay/mx.h"

#include "relay/dane.h"
#include "tests/unit/test.h"

static struct answer a;

static void
add_mx(unsigned preference, const char *name)
{
	a.record[a.n++] = (struct answer_record){ .preference = preference, .name = name };
}

/* "10 a, 20 b" of the list. */
static const char *
list_text(const struct mx_list *l)
{
	static char buf[2048];
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < l->n; i++)
		n += (size_t)snprintf(buf + n, sizeof buf - n, "%s%u %s", i > 0 ? ", " : "",
		                      l->at[i].preference, l->at[i].host);
	return buf;
}

static void
expect_list(enum mx_result want, const char *text, const char *name)
{
	struct mx_list l;
	enum mx_result r = mx_order(&l, &a, "us.example");

	TEST(r == want, "%s: result", name);
	TEST_STR(list_text(&l), text, "%s", name);
	a.n = 0;
}

static void
test_order(void)
{
	add_mx(20, "b.example");
	add_mx(10, "a.example");
	add_mx(65535, "c.example");
	expect_list(MX_GOOD, "10 a.example, 20 b.example, 65535 c.example", "by preference");
	add_mx(20, "a.example");
	add_mx(10, "a.example");
	add_mx(10, "a.example");
	add_mx(15, "b.example");
	expect_list(MX_GOOD, "10 a.example, 15 b.example", "the same name twice");
	add_mx(0, "");
	expect_list(MX_NULL, "", "null MX");
	add_mx(0, "");
	add_mx(10, "a.example");
	expect_list(MX_GOOD, "10 a.example", "null MX beside another");
	add_mx(10, "192.0.2.1");
	add_mx(20, NULL);
	expect_list(MX_UNUSABLE, "", "an address, and no host's name");
	add_mx(10, "192.0.2.1");
	add_mx(20, "a.example");
	expect_list(MX_GOOD, "20 a.example", "an address beside a name");
}

static void
test_own(void)
{
	add_mx(10, "us.example");
	expect_list(MX_LOOP, "", "only us");
	add_mx(10, "US.Example");
	add_mx(20, "a.example");
	expect_list(MX_LOOP, "", "we are the best");
	add_mx(10, "us.example");
	add_mx(10, "a.example");
	expect_list(MX_LOOP, "", "as good as we are is no better");
	add_mx(5, "a.example");
	add_mx(10, "us.example");
	add_mx(10, "b.example");
	add_mx(15, "c.example");
	add_mx(20, "us.example");
	expect_list(MX_GOOD, "5 a.example", "better than we are");
}

static void
test_equal(void)
{
	unsigned first[3] = { 0, 0, 0 };

	for (int i = 0; i < 600; i++) {
		struct mx_list l;

		add_mx(10, "a");
		add_mx(10, "b");
		add_mx(10, "c");
		add_mx(5, "z");
		MUST(mx_order(&l, &a, "us.example") == MX_GOOD && l.n == 4);
		MUST(strcmp(l.at[0].host, "z") == 0);
		first[l.at[1].host[0] - 'a']++;
		a.n = 0;
	}
	/* 200 each on average; under 100 in no run of this world. */
	TEST(first[0] > 100 && first[1] > 100 && first[2] > 100, "equal ones: %u %u %u", first[0],
	     first[1], first[2]);
}

static void
test_limit(void)
{
	static char names[ANSWER_RECORDS][16];
	struct mx_list l;
	bool good = true;

	for (unsigned i = 0; i < ANSWER_RECORDS; i++) {
		snprintf(names[i], sizeof names[i], "m%u.example", i);
		add_mx(ANSWER_RECORDS - i, names[i]);
	}
	MUST(mx_order(&l, &a, "us.example") == MX_GOOD);
	a.n = 0;
	for (unsigned i = 0; i < l.n; i++)
		good &= l.at[i].preference == i + 1;
	TEST(good && l.n == LIMIT_MX, "the best ones of too many");
}

static void
test_families(void)
{
	struct ip v4[2], v6[3], out[MX_ADDRESSES];

	for (unsigned i = 0; i < 2; i++)
		ip_from_ipv4(&v4[i], (unsigned char[]){ 192, 0, 2, (unsigned char)i });
	for (unsigned i = 0; i < 3; i++)
		v6[i] = (struct ip){ .octets = { 0x20, 1, [15] = (unsigned char)i }, .known = true };
	MUST(mx_addresses(out, v6, 3, v4, 2, true) == 5);
	TEST(out[0].octets[0] == 0x20 && out[1].octets[0] == 0 && out[2].octets[0] == 0x20 &&
	     out[3].octets[0] == 0 && out[4].octets[0] == 0x20, "families take turns");
	MUST(mx_addresses(out, v6, 3, v4, 2, false) == 5);
	TEST(out[0].octets[0] == 0 && out[1].octets[0] == 0 && out[2].octets[0] == 0x20,
	     "without IPv6 it comes last");
	TEST(mx_addresses(out, v6, 3, v4, 0, false) == 3 && mx_addresses(out, v6, 0, v4, 0, true) == 0,
	     "one family, or none");
}

/* -- DANE ------------------------------------------------------------------------------------ */

static void
add_tlsa(unsigned char usage, unsigned char selector, unsigned char matching, size_t len,
         unsigned char fill)
{
	unsigned char *data = a.data + a.used;

	data[0] = usage;
	data[1] = selector;
	data[2] = matching;
	memset(data + 3, fill, len);
	a.record[a.n++] = (struct answer_record){ .data = data, .len = 3 + len };
	a.used += 3 + len;
}

static const unsigned char *
make_der(size_t len)
{
	unsigned char *data = a.data + a.used - len;

	data[0] = 0x30;
	data[1] = 0x82;
	data[2] = (unsigned char)((len - 4) >> 8);
	data[3] = (unsigned char)(len - 4);
	return data;
}

static void
expect_dane(unsigned n, const char *first, const char *name)
{
	static struct dane d;

	dane_pick(&d, &a);
	if (TEST(d.n == n, "%s: %u usable", name, d.n) && n > 0)
		TEST(strncmp(d.record[0], first, strlen(first)) == 0, "%s: %.20s", name, d.record[0]);
	a.n = 0;
	a.used = 0;
}

static void
test_dane(void)
{
	add_tlsa(3, 1, 1, 32, 0xab);
	expect_dane(1, "3 1 1 abab", "the usual one");
	add_tlsa(2, 0, 2, 64, 1);
	add_tlsa(3, 0, 1, 32, 2);
	expect_dane(2, "3 0 1 0202", "usage 3 first");
	for (unsigned char usage = 0; usage < 6; usage++)
		if (usage != 2 && usage != 3)
			add_tlsa(usage, 1, 1, 32, usage);
	add_tlsa(3, 2, 1, 32, 0);
	add_tlsa(3, 1, 3, 32, 0);
	add_tlsa(3, 1, 1, 31, 0);
	add_tlsa(3, 1, 1, 33, 0);
	add_tlsa(3, 1, 2, 32, 0);
	add_tlsa(3, 1, 0, 32, 0);
	add_tlsa(255, 255, 255, 1, 0);
	expect_dane(0, "", "none is usable");
	add_tlsa(3, 1, 1, 32, 1);
	add_tlsa(3, 1, 1, 32, 1);
	expect_dane(1, "3 1 1 0101", "said twice");
}

static void
test_dane_full(void)
{
	add_tlsa(3, 0, 0, 1000, 7);
	(void)make_der(1000);
	expect_dane(1, "3 0 1 ", "a whole certificate of usage 3 as its hash");
	add_tlsa(2, 0, 0, 700, 7);
	(void)make_der(700);
	expect_dane(1, "2 0 0 308202b8", "a whole one of usage 2 as it is");
	add_tlsa(2, 0, 0, 1600, 7);
	(void)make_der(1600);
	expect_dane(1, "2 0 1 ", "too long for a packet: its hash");
	for (unsigned i = 0; i < 3; i++) {
		add_tlsa(2, 1, 0, 600, (unsigned char)i);
		(void)make_der(600);
	}
	for (unsigned i = 0; i < 20; i++)
		add_tlsa(3, 1, 2, 64, (unsigned char)i);
	expect_dane(LIMIT_TLSA, "3 1 2 ", "more than travel");
	add_tlsa(2, 1, 0, 600, 1);
	(void)make_der(600);
	for (unsigned i = 0; i < 11; i++)
		add_tlsa(2, 1, 2, 64, (unsigned char)i);
	expect_dane(LIMIT_TLSA, "2 1 0 ", "a whole one leaves room for the others");
}

int
main(void)
{
	test_order();
	test_own();
	test_equal();
	test_limit();
	test_families();
	test_dane();
	test_dane_full();
	return 0;
}
