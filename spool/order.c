/* See order.h. */
#include "spool/order.h"

#include <string.h>
#include <strings.h>

void
order_init(struct order *o)
{
	o->sender.local[0] = o->sender.domain[0] = '\0';
	o->n = 0;
	o->notify = 0;
	o->ret = RET_UNSAID;
	o->envid[0] = '\0';
	o->require_tls = false;
	o->queued = NULL;
}

int
order_address(struct address *a, const char *s, const char *domain)
{
	const char *at = strrchr(s, '@');
	size_t len = at != NULL ? (size_t)(at - s) : strlen(s);

	if (parse_address(s, a))
		return SPOOL_DONE;
	if (len > LIMIT_LOCAL || (at != NULL && strlen(at + 1) > LIMIT_DOMAIN + 2))
		return SPOOL_TOO_LONG;
	memcpy(a->local, s, len);
	a->local[len] = '\0';
	(void)text_copy(a->domain, sizeof a->domain, at != NULL ? at + 1 : domain); /* fits */
	return len > 0 && a->domain[0] != '\0' && is_address_safe(a->local, a->domain) ?
	       SPOOL_DONE : SPOOL_REFUSED;
}

bool
order_add(struct order *o, const struct address *a)
{
	for (unsigned i = 0; i < o->n; i++)
		if (strcmp(o->to[i].local, a->local) == 0 &&
		    strcasecmp(o->to[i].domain, a->domain) == 0)
			return true;
	if (o->n == LIMIT_RECIPIENTS)
		return false;
	o->to[o->n++] = *a;
	return true;
}

static bool
fail(struct verdict *v, const char *what)
{
	verdict_set(v, SPOOL_ENVELOPE, "5.5.2", "envelope format error", what);
	return false;
}

bool
order_refuse_address(struct verdict *v, int code, const char *s)
{
	verdict_set(v, code, "5.1.3",
	            code == SPOOL_TOO_LONG ? "address too long" : "not an address", s);
	return false;
}

bool
order_refuse_many(struct verdict *v)
{
	verdict_set(v, SPOOL_REFUSED, "5.5.3", "too many recipients, the limit is 1000", "");
	return false;
}

static bool
take_sender(struct order *o, const char *s, const char *domain, struct verdict *v)
{
	size_t len = strlen(s);
	int code;

	/* qmail's sender of what must never bounce again; and one for each recipient. */
	if (len == 0 || strcmp(s, "#@[]") == 0)
		return true;
	if (len > 4 && strcmp(s + len - 4, "-@[]") == 0)
		return fail(v, "a sender for each recipient (-@[]) is not known here");
	code = order_address(&o->sender, s, domain);
	return code == SPOOL_DONE || order_refuse_address(v, code, s);
}

static bool
take_recipient(struct order *o, const char *s, const char *domain, struct verdict *v)
{
	struct address a;
	int code = order_address(&a, s, domain);

	if (code != SPOOL_DONE)
		return order_refuse_address(v, code, s);
	return order_add(o, &a) || order_refuse_many(v);
}

bool
order_parse(struct order *o, const char *buf, size_t len, const char *domain,
            struct verdict *v)
{
	const char *end = buf + len;
	bool first = true;

	order_init(o);
	for (const char *s = buf;; first = false) {
		const char *nul = s < end ? memchr(s, '\0', (size_t)(end - s)) : NULL;

		/* Cut off: who wrote it may have died in the middle. */
		if (nul == NULL) {
			verdict_set(v, SPOOL_READ, "4.3.0", "the envelope ends too early", "");
			return false;
		}
		if (!first && nul == s)
			break;
		if (*s != (first ? 'F' : 'T'))
			return fail(v, first ? "expected F" : "expected T");
		if (!(first ? take_sender : take_recipient)(o, s + 1, domain, v))
			return false;
		s = nul + 1;
	}
	return o->n > 0 || fail(v, "no recipient");
}

void
order_text(struct text *t, const struct order *o)
{
	text_addc(t, 'F');
	address_text(t, &o->sender);
	text_addc(t, '\0');
	for (unsigned i = 0; i < o->n; i++) {
		text_addc(t, 'T');
		address_text(t, &o->to[i]);
		text_addc(t, '\0');
	}
	text_addc(t, '\0');
}
