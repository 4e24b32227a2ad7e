/* The conversation of SCRAM-SHA-256 (RFC 5802 5, 7677). See sasl.h, scram.h. */
#include <sodium.h>
#include <string.h>

#include "auth/account.h"
#include "auth/sasl.h"
#include "auth/scram.h"

/* Base64 of a channel binding, behind the GS2 header. "": this channel has none. */
static bool
bind_base64(struct scram *s, const char *base64)
{
	unsigned char data[SCRAM_BINDING_DATA];
	size_t len;

	return base64[0] != '\0' &&
	       sodium_base642bin(data, sizeof data, base64, strlen(base64), NULL, &len, NULL,
	                         sodium_base64_VARIANT_ORIGINAL) == 0 &&
	       scram_bind(s, data, len);
}

/*
 * RFC 5802 6: -PLUS binds, the plain mechanism doesn't, and a client that could have
 * bound ('y') but saw no -PLUS, although we offer it, had somebody between.
 */
static const char *
binding_problem(const struct attempt *a, struct scram *s, bool plus)
{
	bool offered = a->tls && (a->auth->conf.mechanisms & MECHANISM_SCRAM_SHA_256_PLUS) != 0 &&
	               (a->exporter[0] != '\0' || a->endpoint[0] != '\0');

	if (plus != (s->flag == 'p'))
		return "channel-binding";
	if (s->flag == 'y' && offered)
		return "downgrade";
	if (!plus)
		return NULL;
	if (strcmp(s->binding, "tls-exporter") == 0) /* RFC 9266 */
		return bind_base64(s, a->exporter) ? NULL : "channel-binding";
	if (strcmp(s->binding, "tls-server-end-point") == 0) /* RFC 5929 4 */
		return bind_base64(s, a->endpoint) ? NULL : "channel-binding";
	return "channel-binding"; /* tls-unique has no meaning since TLS 1.3 */
}

static void
make_nonce(char nonce[SCRAM_OWN_NONCE + 1])
{
	unsigned char random[SCRAM_OWN_NONCE / 4 * 3];

	randombytes_buf(random, sizeof random);
	sodium_bin2base64(nonce, SCRAM_OWN_NONCE + 1, random, sizeof random,
	                  sodium_base64_VARIANT_ORIGINAL);
}

static enum outcome
judge(struct attempt *a, struct scram *s, struct text *out)
{
	enum outcome o;

	if (!scram_read_final(s, &a->in))
		return attempt_fail(a, OUTCOME_MALFORMED, "syntax");
	o = account_admit(a);
	if (o != OUTCOME_YES)
		return o;
	text_init(out, out->buf, out->cap);
	switch (scram_check(s, &a->v.scram, out)) {
	case SCRAM_UNBOUND:
		return account_settle(a, false, "channel-binding");
	case SCRAM_WRONG:
		return account_settle(a, false, "password");
	case SCRAM_PROVED:
		break;
	}
	if (!account_may_act_as(a, s->authorize))
		return account_settle(a, false, "authorization");
	return account_settle(a, a->found, "password");
}

enum outcome
mech_scram(struct attempt *a, bool plus)
{
	char nonce[SCRAM_OWN_NONCE + 1], buf[LIMIT_SASL / 4 * 3];
	const char *problem;
	struct scram s;
	struct text out;
	enum outcome o = attempt_first(a);

	if (o != OUTCOME_YES)
		return o;
	if (!scram_read_first(&s, &a->in))
		return attempt_fail(a, OUTCOME_MALFORMED, "syntax");
	o = account_find(a, s.user);
	if (o != OUTCOME_YES)
		return o;
	problem = binding_problem(a, &s, plus);
	if (problem != NULL)
		return attempt_fail(a, OUTCOME_NO, problem);
	make_nonce(nonce);
	text_init(&out, buf, sizeof buf);
	scram_first(&s, nonce, &a->v.scram, &out);
	if (!text_ok(&out))
		return attempt_fail(a, OUTCOME_MALFORMED, "syntax");
	o = attempt_ask(a, out.buf, out.len);
	if (o == OUTCOME_YES)
		o = judge(a, &s, &out);
	if (o == OUTCOME_YES)
		o = attempt_last(a, out.buf, out.len);
	sodium_memzero(&s, sizeof s);
	sodium_memzero(buf, sizeof buf);
	return o;
}
