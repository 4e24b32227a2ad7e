/* See search.h. Answers come in any order, and some before the question's call returns. */
#include "relay/search.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/address.h"

#define SMTP_PORT 25
/* Tags of questions for host i: i times this, and which. */
#define TAGS 2

static void
release(struct search *s)
{
	if (--s->pending == 0)
		s->done(s);
}

static void
ask(struct search *s, const char *name, int type, dns_done *done, unsigned tag)
{
	s->pending++;
	dns_ask(s->site->dns, name, type, done, s, tag);
}

/* The first failure is the one to be told. */
static void
note_failure(struct search *s, const char *name, const char *type, const struct answer *a)
{
	struct text t;

	s->bogus |= a->status == ANSWER_BOGUS;
	if (s->why[0] != '\0')
		return;
	text_init(&t, s->why, sizeof s->why);
	text_add(&t, type);
	text_add(&t, " of ");
	text_add(&t, name);
	text_add(&t, ": ");
	text_add(&t, a->why);
	if (!text_ok(&t))
		(void)text_copy(s->why, sizeof s->why, a->why);
}

static bool
is_failure(const struct answer *a)
{
	return a->status == ANSWER_FAILED || a->status == ANSWER_BOGUS;
}

/* -- TLSA (RFC 7672 2.2): only where all that leads there is proved ------------------------ */

static void on_tlsa(void *data, unsigned tag, const struct answer *a);

static void
ask_tlsa(struct search *s, unsigned i, const char *base)
{
	char name[LIMIT_DOMAIN + 32];
	struct text t;

	text_init(&t, name, sizeof name);
	text_addc(&t, '_');
	text_addu(&t, s->port);
	text_add(&t, "._tcp.");
	text_add(&t, base);
	if (t.len < LIMIT_DOMAIN - 1) /* else there can be no such name */
		ask(s, name, RR_TLSA, on_tlsa, i);
}

/* RFC 7672 2.1.3: where the alias leads first, then at the alias. */
static void
on_tlsa(void *data, unsigned tag, const struct answer *a)
{
	struct search *s = data;
	struct search_host *h = &s->host[tag];

	if (is_failure(a)) {
		note_failure(s, h->mx.host, "TLSA", a);
		h->tlsa = TLSA_FAILED;
	} else if (a->secure && a->n > 0) {
		dane_pick(&h->dane, a);
		h->tlsa = TLSA_FOUND;
	} else if (!h->dane_at_alias && strcasecmp(h->final, h->mx.host) != 0) {
		h->dane_at_alias = true;
		ask_tlsa(s, tag, h->mx.host);
	}
	release(s);
}

/* -- addresses ------------------------------------------------------------------------------- */

static void
add_addresses(struct search_host *h, const struct answer *a)
{
	for (unsigned i = 0; i < a->n; i++) {
		const struct answer_record *r = &a->record[i];

		if (r->len == 4 && h->n4 < LIMIT_MX_ADDRESSES) {
			ip_from_ipv4(&h->v4[h->n4++], r->data);
		} else if (r->len == 16 && h->n6 < LIMIT_MX_ADDRESSES) {
			h->v6[h->n6].known = true;
			memcpy(h->v6[h->n6++].octets, r->data, 16);
		}
	}
}

static void
on_address(void *data, unsigned tag, const struct answer *a)
{
	struct search *s = data;
	struct search_host *h = &s->host[tag / TAGS];

	if (is_failure(a)) {
		note_failure(s, h->mx.host, tag % TAGS == 0 ? "address (A)" : "address (AAAA)", a);
		h->failed = true;
	} else {
		h->insecure |= !a->secure;
		(void)text_copy(h->final, sizeof h->final, a->name);
		add_addresses(h, a);
	}
	if (++h->answers == 2 && s->secure && !h->insecure && h->n4 + h->n6 > 0)
		ask_tlsa(s, tag / TAGS, h->final);
	release(s);
}

static void
ask_addresses(struct search *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		ask(s, s->host[i].mx.host, RR_A, on_address, TAGS * i);
		ask(s, s->host[i].mx.host, RR_AAAA, on_address, TAGS * i + 1);
	}
}

/* RFC 5321 5.1: without MX the domain is its own mail server, of preference 0. */
static void
use_name(struct search *s)
{
	s->n = 1;
	(void)text_copy(s->host[0].mx.host, sizeof s->host[0].mx.host, s->domain);
}

/* -- MX ----------------------------------------------------------------------------------------- */

static void
use_list(struct search *s, const struct answer *a)
{
	static const enum search_end ends[] = {
		[MX_GOOD] = SEARCH_HOSTS, [MX_NULL] = SEARCH_NULL_MX, [MX_LOOP] = SEARCH_LOOP,
		[MX_UNUSABLE] = SEARCH_UNUSABLE,
	};
	struct mx_list l;

	s->end = ends[mx_order(&l, a, s->site->hostname)];
	s->n = l.n;
	for (unsigned i = 0; i < l.n; i++)
		s->host[i].mx = l.at[i];
}

static void
on_mx(void *data, unsigned tag, const struct answer *a)
{
	struct search *s = data;

	(void)tag;
	s->secure = a->secure;
	if (is_failure(a)) {
		note_failure(s, s->domain, "MX", a);
		s->end = a->status == ANSWER_BOGUS ? SEARCH_BOGUS : SEARCH_FAILED;
	} else if (a->status == ANSWER_NO_NAME) {
		s->end = SEARCH_NO_NAME;
	} else if (a->n > 0) {
		use_list(s, a);
	} else if (strcasecmp(s->domain, s->site->hostname) == 0) {
		s->end = SEARCH_LOOP;
	} else {
		use_name(s);
	}
	ask_addresses(s);
	release(s);
}

static void
on_policy(void *data, enum policy_result result, const struct sts_policy *p)
{
	struct search *s = data;

	s->policy_result = result;
	if (p != NULL)
		s->policy = *p;
	release(s);
}

/* -- starting ------------------------------------------------------------------------------------- */

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 4.1.3), or an address as it is. */
static bool
parse_literal(const char *s, struct ip *ip)
{
	char inner[64];
	size_t len = strlen(s);

	if (s[0] != '[')
		return parse_ip(s, ip);
	if (len < 3 || s[len - 1] != ']' || len - 2 >= sizeof inner)
		return false;
	memcpy(inner, s + 1, len - 2);
	inner[len - 2] = '\0';
	if (strncasecmp(inner, "IPv6:", 5) == 0)
		return strchr(inner + 5, ':') != NULL && parse_ip(inner + 5, ip);
	return strchr(inner, ':') == NULL && parse_ip(inner, ip);
}

static void
use_literal(struct search *s, const struct ip *ip)
{
	s->n = 1;
	s->host[0].v6[0] = *ip;
	s->host[0].n6 = 1;
}

static struct search *
make(const struct site *site, const char *name, void (*done)(struct search *), void *data)
{
	struct search *s = calloc(1, sizeof *s);

	if (s == NULL || !text_copy(s->domain, sizeof s->domain, name)) {
		free(s);
		return NULL;
	}
	s->site = site;
	s->done = done;
	s->data = data;
	s->pending = 1; /* ours, while we ask */
	return s;
}

static bool
is_asked(const char *name)
{
	return is_domain(name, strlen(name)) && !has_utf8(name);
}

bool
search_mx(const struct site *site, const char *domain, const char *kept,
          void (*done)(struct search *), void *data)
{
	struct ip ip = { .known = false };
	bool literal = domain[0] == '[';
	struct search *s;

	if (literal ? !parse_literal(domain, &ip) : !is_asked(domain))
		return false;
	s = make(site, domain, done, data);
	if (s == NULL)
		return false;
	s->mx = true;
	s->port = SMTP_PORT;
	s->had_kept = kept[0] != '\0';
	if (literal) {
		use_literal(s, &ip);
	} else {
		s->pending++;
		policy_find(site, domain, kept, on_policy, s);
		ask(s, domain, RR_MX, on_mx, 0);
	}
	release(s);
	return true;
}

bool
search_host(const struct site *site, const char *host, unsigned port,
            void (*done)(struct search *), void *data)
{
	struct ip ip = { .known = false };
	bool literal = parse_literal(host, &ip);
	struct search *s;

	if (!literal && !is_asked(host))
		return false;
	s = make(site, host, done, data);
	if (s == NULL)
		return false;
	s->port = port;
	if (literal) {
		use_literal(s, &ip);
	} else {
		s->secure = true; /* the configuration says it */
		use_name(s);
		ask_addresses(s);
	}
	release(s);
	return true;
}

void
search_free(struct search *s)
{
	free(s);
}
