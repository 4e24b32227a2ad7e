/* See search.h. What has come together in a search, said in the words of base/routing.h. */
#include <string.h>
#include <strings.h>

#include "base/routing.h"
#include "base/text.h"
#include "relay/search.h"

/* Why hosts were left out. */
struct left_out {
	bool own;       /* by an address of ours */
	bool sts;       /* no pattern of the policy allows it */
	bool dane;      /* its TLSA records could not be had */
	bool failed;    /* its addresses could not be had */
};

/* RFC 5321 5.1: what is no better than we are would send the message back to us. */
static unsigned
find_own_preference(const struct search *s)
{
	unsigned best = UINT32_MAX;

	for (unsigned i = 0; s->mx && i < s->n; i++) {
		const struct search_host *h = &s->host[i];
		bool own = false;

		for (unsigned k = 0; k < h->n4; k++)
			own |= site_is_own(s->site, &h->v4[k]);
		for (unsigned k = 0; k < h->n6; k++)
			own |= site_is_own(s->site, &h->v6[k]);
		if (own && h->mx.preference < best)
			best = h->mx.preference;
	}
	return best;
}

static bool
has_policy(const struct search *s, enum sts_mode mode)
{
	return s->policy_result != POLICY_NONE && s->policy.mode == mode;
}

/* "" none: RFC 8461 2: where DANE speaks, MTA-STS is not asked. */
static const char *
find_policy(const struct search *s, const struct search_host *h)
{
	if (h->tlsa == TLSA_FOUND)
		return "dane";
	if (has_policy(s, STS_ENFORCE))
		return "sts-enforce";
	if (has_policy(s, STS_TESTING))
		return "sts-testing";
	return "";
}

static bool
is_usable(const struct search *s, const struct search_host *h, unsigned own,
          struct left_out *out)
{
	if (h->failed && h->n4 + h->n6 == 0)
		out->failed = true;
	else if (h->mx.preference >= own)
		out->own = true;
	else if (h->tlsa == TLSA_FAILED)
		out->dane = true;
	else if (h->tlsa == TLSA_NONE && has_policy(s, STS_ENFORCE) &&
	         !sts_allows(&s->policy, h->mx.host))
		out->sts = true;
	else
		return h->n4 + h->n6 > 0;
	return false;
}

static void
add_name(struct text *t, const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || name[0] == '[')
		return;
	for (const char *s = t->buf; *s != '\0'; s += strcspn(s, " "), s += *s == ' ')
		if (strcspn(s, " ") == len && strncasecmp(s, name, len) == 0)
			return;
	if (t->len > 0)
		text_addc(t, ' ');
	text_add(t, name);
}

/*
 * Names for the certificate. DANE: the name the records were found at, which is the one for
 * SNI, the server's other one, and the domain (RFC 7672 3.2.2). Else the server's alone.
 */
static void
find_names(const struct search *s, const struct search_host *h, struct text *t)
{
	bool dane = h->tlsa == TLSA_FOUND;

	if (dane && !h->dane_at_alias)
		add_name(t, h->final);
	add_name(t, h->mx.host);
	if (dane && s->mx)
		add_name(t, s->domain);
}

static int
send_hop(const struct search *s, const struct search_host *h, const struct ip *ip, int to)
{
	static struct packet p;
	char address[48], names[LIMIT_TLS_PEERS];
	struct text t;

	packet_start(&p, ROUTE_HOP);
	text_init(&t, address, sizeof address);
	ip_text(&t, ip);
	packet_add(&p, address);
	packet_addu(&p, s->port);
	packet_add(&p, h->mx.host);
	packet_addu(&p, h->mx.preference);
	packet_add(&p, s->secure && !h->insecure && h->answers == 2 && !h->failed ? "yes" : "");
	packet_add(&p, find_policy(s, h));
	text_init(&t, names, sizeof names);
	find_names(s, h, &t);
	packet_add(&p, text_ok(&t) ? names : h->mx.host);
	packet_addu(&p, h->tlsa == TLSA_FOUND ? h->dane.n : 0);
	if (packet_send(to, &p, -1) == -1)
		return -1;
	for (unsigned i = 0; h->tlsa == TLSA_FOUND && i < h->dane.n; i++) {
		packet_start(&p, ROUTE_TLSA);
		packet_add(&p, h->dane.record[i]);
		if (packet_send(to, &p, -1) == -1)
			return -1;
	}
	return 0;
}

static int
send_end(int to, char word, const char *code, const char *text)
{
	static struct packet p;

	packet_start(&p, word);
	if (word != ROUTE_END) {
		packet_add(&p, code);
		packet_add(&p, text);
	}
	return packet_send(to, &p, -1);
}

/* No host: each of these has its word and code (RFC 3463, 7505). */
static const struct {
	char word;
	const char *code, *text;
} ends[] = {
	[SEARCH_NO_NAME] = { ROUTE_NEVER, "5.1.2", "there is no such domain" },
	[SEARCH_NULL_MX] = { ROUTE_NEVER, "5.1.10", "the domain takes no mail (null MX)" },
	[SEARCH_LOOP] = { ROUTE_NEVER, "5.4.6",
	                  "the best mail server of the domain is this host, which does not serve it" },
	[SEARCH_UNUSABLE] = { ROUTE_NEVER, "5.4.4",
	                      "the domain's mail servers (MX) have no names that a host can have" },
	[SEARCH_FAILED] = { ROUTE_LATER, "4.4.3", NULL },
	[SEARCH_BOGUS] = { ROUTE_LATER, "4.7.0", NULL },
};

static int
send_nothing(const struct search *s, const struct left_out *out, int to)
{
	if (out->failed || out->dane)
		return send_end(to, ROUTE_LATER, s->bogus ? "4.7.0" : "4.4.3", s->why);
	if (out->sts)
		return send_end(to, ROUTE_LATER, "4.7.0",
		                "the domain's MTA-STS policy allows none of its mail servers");
	if (out->own)
		return send_end(to, ROUTE_NEVER, ends[SEARCH_LOOP].code, ends[SEARCH_LOOP].text);
	if (!s->mx) /* it is our configuration that is wrong, and can be mended */
		return send_end(to, ROUTE_LATER, "4.4.4", "the relay's name has no address");
	return send_end(to, ROUTE_NEVER, "5.4.4", "the domain's mail servers have no address");
}

static int
send_hosts(const struct search *s, int to)
{
	struct left_out out = { false, false, false, false };
	unsigned own = find_own_preference(s);
	unsigned sent = 0;

	for (unsigned i = 0; i < s->n; i++) {
		struct search_host h = s->host[i];
		struct ip ip[MX_ADDRESSES];
		unsigned n;

		if (!is_usable(s, &s->host[i], own, &out))
			continue;
		n = mx_addresses(ip, h.v6, h.n6, h.v4, h.n4, s->site->have_ipv6);
		for (unsigned k = 0; k < n && sent < LIMIT_HOPS; k++, sent++)
			if (send_hop(s, &s->host[i], &ip[k], to) == -1)
				return -1;
	}
	return sent > 0 ? send_end(to, ROUTE_END, NULL, NULL) : send_nothing(s, &out, to);
}

/* What the runner keeps, when that changes. */
static int
send_kept(const struct search *s, int to)
{
	static struct packet p;
	char buf[LIMIT_STS + 1] = "";
	struct text t;

	if (s->policy_result == POLICY_KEPT || (s->policy_result == POLICY_NONE && !s->had_kept))
		return 0;
	text_init(&t, buf, sizeof buf);
	if (s->policy_result == POLICY_NEW)
		sts_write(&t, &s->policy);
	packet_start(&p, ROUTE_STS);
	packet_add(&p, text_ok(&t) ? buf : "");
	return packet_send(to, &p, -1);
}

int
search_answer(const struct search *s, int to)
{
	if (send_kept(s, to) == -1)
		return -1;
	if (s->end == SEARCH_HOSTS)
		return send_hosts(s, to);
	return send_end(to, ends[s->end].word, ends[s->end].code,
	                ends[s->end].text != NULL ? ends[s->end].text : s->why);
}
