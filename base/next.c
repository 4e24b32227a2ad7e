/* See next.h. Called while a configuration is read. */
#include "base/next.h"

#include <stddef.h>
#include <string.h>

#include "base/address.h"
#include "base/ip.h"
#include "base/num.h"
#include "base/text.h"

#define PORT_SMTP 25

/* "[HOST]:PORT" or "HOST:PORT"; the port may be left out where there is a default. */
static bool
parse_host(const char *s, unsigned port, struct next *n)
{
	bool brackets = s[0] == '[';
	const char *end = brackets ? strchr(s, ']') : s + strcspn(s, ":");
	struct text host;
	struct ip ip;
	uint64_t number = port;

	if (end == NULL)
		return false;
	text_init(&host, n->host, sizeof n->host);
	text_addn(&host, s + brackets, (size_t)(end - s) - brackets);
	end += brackets;
	if (!text_ok(&host) || (*end != '\0' && *end != ':') ||
	    (*end == ':' && !parse_u64(end + 1, 65535, &number)))
		return false;
	n->port = (unsigned)number;
	return n->port > 0 && (parse_ip(n->host, &ip) ||
	                       (is_domain(n->host, host.len) && !has_utf8(n->host)));
}

bool
parse_relay(const char *s, struct next *n)
{
	memset(n, 0, sizeof *n);
	n->kind = strcmp(s, "mx") == 0 ? NEXT_MX : NEXT_SMTP;
	return n->kind == NEXT_MX || parse_host(s, PORT_SMTP, n);
}

bool
parse_deliver(const char *s, struct next *n)
{
	static const struct {
		const char *word;
		enum next_kind kind;
	} words[] = {
		{ "maildir", NEXT_MAILDIR },
		{ "mx", NEXT_MX },
		{ "hold", NEXT_HOLD },
	};

	memset(n, 0, sizeof *n);
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		n->kind = words[i].kind;
		if (strcmp(s, words[i].word) == 0)
			return true;
	}
	n->kind = strncmp(s, "smtp:", 5) == 0 ? NEXT_SMTP :
	          strncmp(s, "hold:", 5) == 0 ? NEXT_HOLD : NEXT_LMTP;
	if (n->kind != NEXT_LMTP)
		return parse_host(s + 5, PORT_SMTP, n);
	if (strncmp(s, "lmtp:", 5) != 0)
		return false;
	/* LMTP has no port of its own (RFC 2033 5: not that of SMTP). */
	return s[5] == '/' ? text_copy(n->path, sizeof n->path, s + 5) : parse_host(s + 5, 0, n);
}

bool
parse_next_tls(const char *s, enum next_tls *tls)
{
	static const char *const words[] = { "may", "must", "verify", "never" };

	for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(s, words[i]) == 0) {
			*tls = (enum next_tls)i;
			return true;
		}
	return false;
}
