/*
 * What is to be done with a message: the envelope that a program hands in, as
 * qmail-queue(8) reads it, or as sendmail collects it. Pure.
 */
#ifndef SPOOL_ORDER_H
#define SPOOL_ORDER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"
#include "base/envelope.h"
#include "base/limits.h"
#include "base/text.h"
#include "spool/verdict.h"

struct order {
	struct address sender;         /* local "" for <> */
	unsigned n;
	struct address to[LIMIT_RECIPIENTS];
	/* RFC 3461, for all recipients alike */
	unsigned notify;
	enum envelope_ret ret;
	char envid[LIMIT_ENVID + 1];
	/* Not in order_text(): */
	bool require_tls;              /* RFC 8689 */
	const struct envelope *queued; /* it waited in the queue: what else was said of it; or NULL */
};

void order_init(struct order *o);

/*
 * An address as programs write them into an envelope: a Mailbox, or its local-part
 * unquoted, or without a domain, which is then `domain`. SPOOL_DONE, SPOOL_TOO_LONG, or
 * SPOOL_REFUSED for what is none.
 */
int order_address(struct address *a, const char *s, const char *domain);

/* One recipient more; one that is there already counts once. False: LIMIT_RECIPIENTS. */
bool order_add(struct order *o, const struct address *a);

/* Why not, said; both return false. code is order_address()'s. */
bool order_refuse_address(struct verdict *v, int code, const char *s);
bool order_refuse_many(struct verdict *v);

/*
 * Reads a whole envelope: "F" sender NUL, "T" recipient NUL for each, NUL. The sender may
 * be "" or qmail's "#@[]", both <>. True, or false and v says what is wrong.
 */
bool order_parse(struct order *o, const char *buf, size_t len, const char *domain,
                 struct verdict *v);

/* The same form back, NULs in it; what it becomes is t->len octets. */
void order_text(struct text *t, const struct order *o);

#endif
