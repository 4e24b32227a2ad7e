/* See way.h. Asked by the dispatcher, which shares a hop out, and by the runner. */
#include "relay/way.h"

#include <errno.h>
#include <string.h>

bool
way_find(struct way *w, const struct conf *c, int dir, const char *domain, conf_report *report)
{
	struct domain d;
	int found = conf_load_domain(&d, dir, domain, report, NULL);

	if (found == -1) {
		if (errno != 0)
			report(NULL, "a domain's configuration can't be read");
		return false;
	}
	w->is_relay = found == 1 || d.deliver.kind == NEXT_MAILDIR;
	w->next = w->is_relay ? c->relay : d.deliver;
	w->tls = w->is_relay && c->relay.kind == NEXT_SMTP ? c->relay_tls :
	         found == 0 ? d.tls : NEXT_TLS_MAY;
	w->is_relay = w->is_relay && c->relay.kind == NEXT_SMTP;
	return true;
}

bool
way_is_fixed(const struct way *w)
{
	return w->next.kind == NEXT_SMTP || w->next.kind == NEXT_LMTP;
}

bool
way_is_same(const struct way *a, const struct way *b)
{
	return a->next.kind == b->next.kind && a->next.port == b->next.port && a->tls == b->tls &&
	       a->is_relay == b->is_relay && strcmp(a->next.host, b->next.host) == 0 &&
	       strcmp(a->next.path, b->next.path) == 0;
}

/* FNV-1a. Two ways of one number would only share the number of connections to one. */
static uint64_t
add_octets(uint64_t h, const void *octets, size_t len)
{
	const unsigned char *p = octets;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

uint64_t
way_number(const struct way *w)
{
	const unsigned terms[] = { (unsigned)w->next.kind, w->next.port, (unsigned)w->tls,
	                           w->is_relay };
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	if (!way_is_fixed(w))
		return 0;
	h = add_octets(h, terms, sizeof terms);
	h = add_octets(h, w->next.host, strlen(w->next.host));
	h = add_octets(h, w->next.path, strlen(w->next.path));
	return h | 1;
}
