/* base/ip.h: addresses, networks, and the literals of RFC 5321 4.1.3. */
#include "base/ip.h"

#include <netinet/in.h>
#include <sys/un.h>

#include "tests/unit/test.h"

/* text: what ip_text makes of it; NULL: parse_ip refuses it. */
static const struct {
	const char *s, *text, *literal;
} addresses[] = {
	{ "192.0.2.1", "192.0.2.1", "[192.0.2.1]" },
	{ "0.0.0.0", "0.0.0.0", "[0.0.0.0]" },
	{ "255.255.255.255", "255.255.255.255", "[255.255.255.255]" },
	{ "::ffff:192.0.2.1", "192.0.2.1", "[192.0.2.1]" },
	{ "::FFFF:c000:0201", "192.0.2.1", "[192.0.2.1]" },
	{ "2001:DB8:0:0:0:0:0:1", "2001:db8::1", "[IPv6:2001:db8::1]" },
	{ "::", "::", "[IPv6:::]" },
	{ "::1", "::1", "[IPv6:::1]" },
	{ "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", "[IPv6:1:2:3:4:5:6:7:8]" },
	{ "::192.0.2.1", "::192.0.2.1", "[IPv6:::192.0.2.1]" },
	{ "", NULL, NULL },
	{ "192.0.2", NULL, NULL },
	{ "192.0.2.256", NULL, NULL },
	{ "192.0.2.1.1", NULL, NULL },
	{ "192.0.2.01x", NULL, NULL },
	{ " 192.0.2.1", NULL, NULL },
	{ "192.0.2.1 ", NULL, NULL },
	{ "1:2:3:4:5:6:7", NULL, NULL },
	{ "1:2:3:4:5:6:7:8:9", NULL, NULL },
	{ "1::2::3", NULL, NULL },
	{ ":::", NULL, NULL },
	{ "2001:db8::g", NULL, NULL },
	{ "fe80::1%eth0", NULL, NULL },
	{ "[::1]", NULL, NULL },
	{ "localhost", NULL, NULL },
};

static void
test_addresses(void)
{
	for (size_t i = 0; i < LENGTH(addresses); i++) {
		char text[64] = "", literal[64] = "";
		struct ip ip = { .known = false };
		bool ok = parse_ip(addresses[i].s, &ip);
		struct text t;

		text_init(&t, text, sizeof text);
		ip_text(&t, &ip);
		text_init(&t, literal, sizeof literal);
		ip_literal(&t, &ip);
		if (addresses[i].text == NULL)
			TEST(!ok && !ip.known, "parse_ip refuses %s", show(addresses[i].s));
		else
			TEST(ok && ip.known && strcmp(text, addresses[i].text) == 0 &&
			     strcmp(literal, addresses[i].literal) == 0,
			     "parse_ip %s is %s, %s", addresses[i].s, addresses[i].text,
			     addresses[i].literal);
	}
}

/* in: an address inside; out: the nearest one outside, NULL where there is none. */
static const struct {
	const char *net, *in, *out;
} networks[] = {
	{ "192.0.2.0/24", "192.0.2.255", "192.0.3.0" },
	{ "192.0.2.0/24", "::ffff:192.0.2.7", "192.0.1.255" },
	{ "192.0.2.64/26", "192.0.2.127", "192.0.2.128" },
	{ "192.0.2.64/26", "192.0.2.64", "192.0.2.63" },
	{ "192.0.2.1/32", "192.0.2.1", "192.0.2.0" },
	{ "192.0.2.1", "192.0.2.1", "192.0.2.2" },
	{ "128.0.0.0/1", "255.0.0.1", "127.255.255.255" },
	{ "0.0.0.0/0", "203.0.113.9", "2001:db8::1" },
	{ "2001:db8::/32", "2001:db8:ffff::1", "2001:db9::" },
	{ "2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::" },
	{ "2001:db8::1", "2001:db8::1", "2001:db8::" },
	{ "2001:db8::1/128", "2001:db8::1", "2001:db8::3" },
	{ "::/0", "192.0.2.1", NULL },
	{ "::ffff:192.0.2.0/120", "192.0.2.9", "192.0.3.9" },
};

static const char *const bad_networks[] = {
	"", "/", "/24", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/24 ",
	"192.0.2.0/024x", "192.0.2.1/24", "192.0.2.128/24", "192.0.2.0/24/24", "2001:db8::/129",
	"2001:db8::1/64", "2001:db8::/4294967296", "1.2.3/8", "example.org",
	"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb/64", "10.0.0.0/255.0.0.0",
};

static void
test_networks(void)
{
	static struct ip_nets nets = { .n = 1 };
	struct ip_net *net = &nets.net[0];
	struct ip in, out;
	const struct ip unknown = { .known = false };

	for (size_t i = 0; i < LENGTH(networks); i++) {
		bool inside = parse_ip_net(networks[i].net, net) && parse_ip(networks[i].in, &in) &&
		              is_ip_in(&in, &nets);

		TEST(inside, "%s is in %s", networks[i].in, networks[i].net);
		if (networks[i].out != NULL)
			TEST(parse_ip(networks[i].out, &out) && !is_ip_in(&out, &nets),
			     "%s is not in %s", networks[i].out, networks[i].net);
	}
	for (size_t i = 0; i < LENGTH(bad_networks); i++)
		TEST(!parse_ip_net(bad_networks[i], net), "parse_ip_net refuses %s",
		     show(bad_networks[i]));
	MUST(parse_ip_net("::/0", net));
	TEST(!is_ip_in(&unknown, &nets), "what is not known is in no network");
	MUST(parse_ip_net("192.0.2.0/24", &nets.net[0]) && parse_ip_net("::1", &nets.net[1]));
	nets.n = 2;
	TEST(parse_ip("::1", &in) && is_ip_in(&in, &nets), "each network of a list counts");
	TEST(parse_ip("::2", &in) && !is_ip_in(&in, &nets), "in none of two networks");
	nets.n = 0;
	TEST(parse_ip("::1", &in) && !is_ip_in(&in, &nets), "no list has nobody in it");
}

static void
test_sockaddr(void)
{
	struct sockaddr_storage sa;
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "/x" };
	char text[64];
	struct text t;
	struct ip ip;

	sin.sin_addr.s_addr = htonl(0xc0000201);
	memset(&sa, 0, sizeof sa);
	memcpy(&sa, &sin, sizeof sin);
	ip_from_sockaddr(&ip, &sa);
	text_init(&t, text, sizeof text);
	ip_text(&t, &ip);
	TEST_STR(text, "192.0.2.1", "ip_from_sockaddr AF_INET");
	sin6.sin6_addr.s6_addr[0] = 0x20;
	sin6.sin6_addr.s6_addr[15] = 7;
	memcpy(&sa, &sin6, sizeof sin6);
	ip_from_sockaddr(&ip, &sa);
	text_init(&t, text, sizeof text);
	ip_text(&t, &ip);
	TEST_STR(text, "2000::7", "ip_from_sockaddr AF_INET6");
	memcpy(&sa, &sun, sizeof sun);
	ip_from_sockaddr(&ip, &sa);
	text_init(&t, text, sizeof text);
	ip_literal(&t, &ip);
	TEST(!ip.known && strcmp(text, "[local]") == 0, "ip_from_sockaddr AF_UNIX is not known");
}

int
main(void)
{
	test_addresses();
	test_networks();
	test_sockaddr();
	return 0;
}
