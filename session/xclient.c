/*
 * See xclient.h. The keeper decides again whether the client may say so; the session
 * only starts anew, as after its greeting.
 */
#include "session/xclient.h"

#include <string.h>

#include "base/address.h"
#include "base/xtext.h"
#include "session/body.h"

struct attributes {
	struct ip ip;   /* of ADDR; not known for [UNAVAILABLE] */
	bool has_addr;
	char helo[LIMIT_DOMAIN + 3];
};

bool
xclient_is_allowed(const struct session *s)
{
	return is_ip_in(&s->client, &s->setup->conf->xclient);
}

static bool
take_attribute(struct attributes *a, const char *name, const char *value)
{
	/* Known to the protocol, of no use to us. */
	static const char *const unused[] = { "NAME", "PORT", "PROTO", "DESTADDR", "DESTPORT" };
	bool is_unavailable = strcasecmp(value, "[UNAVAILABLE]") == 0 ||
	                      strcasecmp(value, "[TEMPUNAVAIL]") == 0;

	a->has_addr |= strcasecmp(name, "ADDR") == 0;
	if (strcasecmp(name, "ADDR") == 0)
		return is_unavailable ||
		       parse_ip(strncasecmp(value, "IPV6:", 5) == 0 ? value + 5 : value, &a->ip);
	if (strcasecmp(name, "HELO") == 0)
		return is_unavailable || (is_greeting_name(value) &&
		                          text_copy(a->helo, sizeof a->helo, value));
	for (size_t i = 0; i < sizeof unused / sizeof unused[0]; i++)
		if (strcasecmp(name, unused[i]) == 0)
			return true;
	return false;
}

static bool
read_attributes(struct attributes *a, const char *s)
{
	memset(a, 0, sizeof *a);
	while (*s != '\0') {
		char name[16], value[LIMIT_DOMAIN + 3];
		size_t len = strcspn(s, " ");
		const char *eq = memchr(s, '=', len);
		struct text t;

		if (eq == NULL)
			return false;
		text_init(&t, name, sizeof name);
		text_addn(&t, s, (size_t)(eq - s));
		if (!text_ok(&t))
			return false;
		text_init(&t, value, sizeof value);
		if (!xtext_decode(&t, eq + 1, len - (size_t)(eq - s) - 1) ||
		    !take_attribute(a, name, value))
			return false;
		s += len;
		s += strspn(s, " ");
	}
	return true;
}

const struct reply *
xclient_do(struct session *s, const char *arg)
{
	struct attributes a;
	enum answer answer;

	if (!read_attributes(&a, arg))
		return &reply_bad_xclient;
	answer = ask_xclient(&s->ask, a.has_addr ? &a.ip : NULL);
	if (answer != ANSWER_YES)
		return session_refused(s, answer);
	(void)text_copy(s->xclient_helo, sizeof s->xclient_helo, a.helo);
	session_reset(s);
	s->have &= TLS;
	return session_greeting(s);
}
