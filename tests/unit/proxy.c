/*
 * session/proxy.h: version 1 and 2 of the PROXY header, good and bad, read as the
 * session reads them: never more than was asked for, in pieces of any size. Written
 * from HAProxy's proxy-protocol.txt, sections 2.1 and 2.2.
 */
#include "session/proxy.h"

#include "tests/unit/test.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define FOUR(tail) SIGNATURE "\x21\x11\0\x0c" tail
#define ADDRESSES4 "\xc0\0\2\7\xc0\0\2\1\x13\x88\0\x19"
#define ADDRESSES6 \
	"\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7" \
	"\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x13\x88\0\x19"
#define MAPPED "\0\0\0\0\0\0\0\0\0\0\xff\xff"
#define ADDRESSES_MAPPED MAPPED "\xc0\0\2\7" MAPPED "\xc0\0\2\1\x13\x88\0\x19"

/* What a reader that obeys *need came to. */
struct outcome {
	enum proxy_result result;
	size_t used;
	struct ip ip;
	bool stuck; /* wants more, but says a length that is there */
};

/* Bit i of cuts: a read ends behind octet i % 11. More than is there is never given. */
static struct outcome
feed(const char *s, size_t len, unsigned cuts)
{
	struct outcome o = { .result = PROXY_MORE };
	char *exact = NULL;
	size_t need = 0;

	for (;;) {
		size_t n;

		/* Memory of just that size, for the sanitizer. */
		exact = realloc(exact, o.used + 1);
		MUST(exact != NULL);
		memcpy(exact, s, o.used);
		o.result = proxy_parse(exact, o.used, &need, &o.ip);
		if (o.result != PROXY_MORE || o.used == len)
			break;
		if (need <= o.used) {
			o.stuck = true;
			break;
		}
		for (n = 1; o.used + n < need && o.used + n < len; n++)
			if (cuts >> ((o.used + n - 1) % 11) & 1)
				break;
		o.used += n;
	}
	free(exact);
	return o;
}

/* client: NULL = refused, "" = good but nobody is named. */
#define ROW(text, client) { text, sizeof text - 1, client }
static const struct {
	const char *s;
	size_t len;
	const char *client;
} rows[] = {
	ROW("PROXY TCP4 192.0.2.7 192.0.2.1 5000 25\r\n", "192.0.2.7"),
	ROW("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255"),
	ROW("PROXY TCP4 1.1.1.1 2.2.2.2 0 0\r\n", "1.1.1.1"),
	ROW("PROXY TCP6 2001:db8::7 2001:db8::1 5000 25\r\n", "2001:db8::7"),
	ROW("PROXY TCP6 ::ffff:192.0.2.7 ::1 5000 25\r\n", "192.0.2.7"),
	ROW("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
	ROW("PROXY UNKNOWN\r\n", ""),
	/* "the receiver must ignore anything presented before the CRLF" */
	ROW("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", ""),
	ROW("PROXY UNKNOWN and anything\r\n", ""),
	ROW("PROXY UNKNOWNS\r\n", NULL),
	ROW("PROXY unknown\r\n", NULL),
	ROW("PROXY TCP5 192.0.2.7 192.0.2.1 5000 25\r\n", NULL),
	ROW("PROXY UDP4 192.0.2.7 192.0.2.1 5000 25\r\n", NULL),
	ROW("proxy TCP4 192.0.2.7 192.0.2.1 5000 25\r\n", NULL),
	ROW("PROXY  TCP4 192.0.2.7 192.0.2.1 5000 25\r\n", NULL),
	ROW("PROXY TCP4  192.0.2.7 192.0.2.1 5000 25\r\n", NULL),
	ROW("PROXY TCP4 192.0.2.7 192.0.2.1 5000\r\n", NULL),
	ROW("PROXY TCP4 192.0.2.7 192.0.2.1 5000 25 9\r\n", NULL),
	ROW("PROXY TCP4 192.0.2.7 192.0.2.1 65536 25\r\n", NULL),
	ROW("PROXY TCP4 192.0.2.7 192.0.2.1 5000 -1\r\n", NULL),
	ROW("PROXY TCP4 192.0.2.7 192.0.2.1 5000 0x19\r\n", NULL),
	ROW("PROXY TCP4 192.0.2.256 192.0.2.1 5000 25\r\n", NULL),
	ROW("PROXY TCP4 192.0.2.7 host.test 5000 25\r\n", NULL),
	ROW("PROXY TCP4 2001:db8::7 2001:db8::1 5000 25\r\n", NULL),
	ROW("PROXY TCP4 192.0.2.7 2001:db8::1 5000 25\r\n", NULL),
	ROW("PROXY TCP6 192.0.2.7 192.0.2.1 5000 25\r\n", NULL),
	ROW("PROXY TCP6 2001:db8::7 192.0.2.1 5000 25\r\n", NULL),
	ROW("PROXY TCP4 192.0.2.7 192.0.2.1 5000 25\n", NULL),
	ROW("PROXY TCP4 192.0.2.7\n192.0.2.1 5000 25\r\n", NULL),
	ROW("PROXY TCP4 192.0.2.7\0 192.0.2.1 5000 25\r\n", NULL),
	ROW("PROXY UNKNOWN a\0b\r\n", NULL),
	ROW("PROXY TCP4 192.0.2.7 192.0.2.1 5000 25\r\r\n", NULL),
	ROW("PROXY TCP4 192.0.2.7 192.0.2.1 5000 25          "
	    "                                                            \r\n", NULL),
	ROW("PROXY UNKNOWN 2345678901234567890123456789012345678901234567890"
	    "123456789012345678901234567890123456789012\r\n", ""),  /* 107 octets */
	ROW("PROXY UNKNOWN 2345678901234567890123456789012345678901234567890"
	    "1234567890123456789012345678901234567890123\r\n", NULL),
	ROW("PROXYUNKNOWN\r\n", NULL),
	ROW("EHLO client.test\r\n", NULL),
	ROW("GET / HTTP/1.1\r\n", NULL),
	ROW("\r\n\r\n\0\r\nQUIT\r", NULL),
	ROW(FOUR(ADDRESSES4), "192.0.2.7"),
	ROW(SIGNATURE "\x21\x12\0\x0c" ADDRESSES4, "192.0.2.7"), /* UDP */
	ROW(SIGNATURE "\x21\x11\0\x10" ADDRESSES4 "\x04\0\1\0", "192.0.2.7"), /* a TLV */
	ROW(SIGNATURE "\x21\x21\0\x24" ADDRESSES6, "2001:db8::7"),
	ROW(SIGNATURE "\x21\x21\0\x24" ADDRESSES_MAPPED, "192.0.2.7"),
	ROW(SIGNATURE "\x20\0\0\0", ""),                         /* LOCAL */
	ROW(SIGNATURE "\x20\x11\0\x0c" ADDRESSES4, ""),          /* LOCAL names nobody */
	ROW(SIGNATURE "\x21\0\0\0", ""),                         /* UNSPEC */
	ROW(SIGNATURE "\x21\0\0\3" "abc", ""),
	ROW(SIGNATURE "\x11\x11\0\x0c" ADDRESSES4, NULL),        /* version 1 */
	ROW(SIGNATURE "\x31\x11\0\x0c" ADDRESSES4, NULL),
	ROW(SIGNATURE "\x22\x11\0\x0c" ADDRESSES4, NULL),        /* no such command */
	ROW(SIGNATURE "\x2f\x11\0\x0c" ADDRESSES4, NULL),
	ROW(SIGNATURE "\x21\x11\0\x0b" ADDRESSES4, NULL),        /* too short for IPv4 */
	ROW(SIGNATURE "\x21\x11\0\0", NULL),
	ROW(SIGNATURE "\x21\x21\0\x23" ADDRESSES6, NULL),
	ROW(SIGNATURE "\x21\x21\0\x0c" ADDRESSES4, NULL),
	ROW(SIGNATURE "\x21\x11\x08\x01", NULL),                 /* longer than we read */
	ROW(SIGNATURE "\x21\x11\xff\xff", NULL),
};

static const char *
client_of(const struct outcome *o)
{
	static char out[64];
	struct text t;

	text_init(&t, out, sizeof out);
	if (o->ip.known)
		ip_text(&t, &o->ip);
	return out;
}

/* The octets behind a header are somebody else's, so a header alone must do. */
static void
test_rows(void)
{
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const char *s = rows[i].s;
		const char *name = show_n(s, rows[i].len);
		struct outcome whole = feed(s, rows[i].len, 0);
		bool same = true;

		if (rows[i].client == NULL)
			TEST(whole.result == PROXY_BAD && !whole.stuck, "refuses %s", name);
		else if (TEST(whole.result == PROXY_OK && whole.used == rows[i].len,
		              "reads %s to its last octet", name))
			TEST_STR(client_of(&whole), rows[i].client, "whose client is %s",
			         rows[i].client);
		for (unsigned cuts = 1; cuts < 1U << 11; cuts++) {
			struct outcome cut = feed(s, rows[i].len, cuts);

			same &= cut.result == whole.result && cut.used == whole.used &&
			        !cut.stuck && cut.ip.known == whole.ip.known &&
			        memcmp(cut.ip.octets, whole.ip.octets, 16) == 0;
		}
		TEST(same, "and the same in all cuts");
	}
}

/* What comes behind a good header is not asked for, and changes nothing. */
static void
test_followed(void)
{
	char buf[512];

	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct outcome o;
		bool good = true;

		if (rows[i].client == NULL || rows[i].len + 24 > sizeof buf)
			continue;
		memcpy(buf, rows[i].s, rows[i].len);
		memcpy(buf + rows[i].len, "PROXY TCP4 9.9.9.9 \r\n\r\n", 24);
		for (unsigned cuts = 0; cuts < 64; cuts++) {
			o = feed(buf, rows[i].len + 24, cuts * 1031);
			good &= o.result == PROXY_OK && o.used == rows[i].len;
		}
		TEST(good, "leaves what follows %s", show_n(rows[i].s, rows[i].len));
	}
}

/* Every header cut short wants more, unless it is bad already; never is it good. */
static void
test_short(void)
{
	for (size_t i = 0; i < LENGTH(rows); i++) {
		bool good = true;

		if (rows[i].client == NULL)
			continue;
		for (size_t len = 0; len < rows[i].len; len++)
			good &= feed(rows[i].s, len, 0).result == PROXY_MORE;
		TEST(good, "waits for the rest of %s", show_n(rows[i].s, rows[i].len));
	}
}

/* The longest header of version 2 that we read, and the buffer it needs. */
static void
test_longest(void)
{
	char *s = repeat('x', PROXY_MAX);
	struct outcome o;

	memcpy(s, FOUR(ADDRESSES4), 28);
	s[14] = (PROXY_MAX - 16) >> 8;
	s[15] = (PROXY_MAX - 16) & 255;
	o = feed(s, PROXY_MAX, 0);
	TEST(o.result == PROXY_OK && o.used == PROXY_MAX && PROXY_MAX <= LIMIT_READ,
	     "version 2 with %d octets of additions", PROXY_MAX - 28);
	free(s);
}

/* Noise behind each start: it ends, and within its limits. */
static void
test_random(void)
{
	static const char *const starts[] = { "PROXY ", "PROXY TCP4 ", "PROXY UNKNOWN ",
		                              SIGNATURE };
	static const char alphabet[] = " \r\n0123456789.:ab";
	unsigned long seed = 1, wrong = 0;
	char s[256];

	for (unsigned n = 0; n < 10000; n++) {
		const char *start = starts[n % 4];
		size_t len = n % 4 == 3 ? 12 : strlen(start);
		struct outcome o;

		memcpy(s, start, len);
		for (; len < sizeof s; len++) {
			seed = seed * 6364136223846793005UL + 1442695040888963407UL;
			s[len] = n % 4 == 3 ? (char)(seed >> 33) : alphabet[(seed >> 33) % 17];
		}
		o = feed(s, sizeof s, n);
		wrong += o.stuck || (n % 4 != 3 && o.used > 107) ||
		         (o.result == PROXY_MORE && o.used != sizeof s);
	}
	TEST(wrong == 0, "noise behind each start is refused, or read to a known end");
}

int
main(void)
{
	test_rows();
	test_followed();
	test_short();
	test_longest();
	test_random();
	return 0;
}
