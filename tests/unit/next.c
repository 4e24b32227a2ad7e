/* base/next.h: each form of `deliver` and `relay`, and what is none. */
#include "base/next.h"

#include "tests/unit/test.h"

static const struct {
	const char *s;
	int kind; /* -1: refused */
	const char *host;
	unsigned port;
	const char *path;
} delivers[] = {
	{ "maildir", NEXT_MAILDIR, "", 0, "" },
	{ "mx", NEXT_MX, "", 0, "" },
	{ "hold", NEXT_HOLD, "", 0, "" },
	{ "hold:[192.0.2.1]:2525", NEXT_HOLD, "192.0.2.1", 2525, "" },
	{ "hold:site.example.org", NEXT_HOLD, "site.example.org", 25, "" },
	{ "hold:", -1, NULL, 0, NULL },
	{ "hold:/run/lmtp", -1, NULL, 0, NULL },
	{ "smtp:[192.0.2.1]:2525", NEXT_SMTP, "192.0.2.1", 2525, "" },
	{ "smtp:[2001:db8::1]:25", NEXT_SMTP, "2001:db8::1", 25, "" },
	{ "smtp:[2001:db8::1]", NEXT_SMTP, "2001:db8::1", 25, "" },
	{ "smtp:mx.example.org:26", NEXT_SMTP, "mx.example.org", 26, "" },
	{ "lmtp:[127.0.0.1]:24", NEXT_LMTP, "127.0.0.1", 24, "" },
	{ "lmtp:/run/dovecot/lmtp", NEXT_LMTP, "", 0, "/run/dovecot/lmtp" },
	{ "lmtp:[127.0.0.1]", -1, NULL, 0, NULL },
	{ "lmtp:run/lmtp", -1, NULL, 0, NULL },
	{ "smtp:", -1, NULL, 0, NULL },
	{ "smtp:[]:25", -1, NULL, 0, NULL },
	{ "smtp:[192.0.2.1:25", -1, NULL, 0, NULL },
	{ "smtp:[192.0.2.1]25", -1, NULL, 0, NULL },
	{ "smtp:2001:db8::1", -1, NULL, 0, NULL },
	{ "smtp:host:0", -1, NULL, 0, NULL },
	{ "smtp:host:65536", -1, NULL, 0, NULL },
	{ "smtp:host:", -1, NULL, 0, NULL },
	{ "smtp:ho st:25", -1, NULL, 0, NULL },
	{ "smtp:h\xc3\xbcte.example:25", -1, NULL, 0, NULL },
	{ "Maildir", -1, NULL, 0, NULL },
	{ "", -1, NULL, 0, NULL },
}, relays[] = {
	{ "mx", NEXT_MX, "", 0, "" },
	{ "smart.example.org", NEXT_SMTP, "smart.example.org", 25, "" },
	{ "[smart.example.org]:587", NEXT_SMTP, "smart.example.org", 587, "" },
	{ "smart.example.org:465", NEXT_SMTP, "smart.example.org", 465, "" },
	{ "lmtp:/x", -1, NULL, 0, NULL },
	{ "", -1, NULL, 0, NULL },
};

int
main(void)
{
	static const char *const words[] = { "may", "must", "verify", "never" };
	enum next_tls tls;
	char path[200];
	struct next n;

	for (size_t i = 0; i < LENGTH(delivers); i++) {
		bool good = parse_deliver(delivers[i].s, &n);

		TEST(good == (delivers[i].kind != -1) &&
		     (!good || ((int)n.kind == delivers[i].kind && n.port == delivers[i].port &&
		                strcmp(n.host, delivers[i].host) == 0 &&
		                strcmp(n.path, delivers[i].path) == 0)),
		     "deliver = %s", show(delivers[i].s));
	}
	for (size_t i = 0; i < LENGTH(relays); i++) {
		bool good = parse_relay(relays[i].s, &n);

		TEST(good == (relays[i].kind != -1) &&
		     (!good || ((int)n.kind == relays[i].kind && n.port == relays[i].port &&
		                strcmp(n.host, relays[i].host) == 0)),
		     "relay = %s", show(relays[i].s));
	}
	(void)snprintf(path, sizeof path, "lmtp:/%0107d", 0);
	TEST(!parse_deliver(path, &n), "a path too long for a socket");
	path[sizeof "lmtp:/" - 1 + 106] = '\0';
	TEST(parse_deliver(path, &n), "a path just short enough");
	for (unsigned i = 0; i < LENGTH(words); i++)
		TEST(parse_next_tls(words[i], &tls) && tls == i, "tls = %s", words[i]);
	TEST(!parse_next_tls("", &tls) && !parse_next_tls("Must", &tls), "tls = nothing known");
	return 0;
}
