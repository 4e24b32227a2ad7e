/* CRAM-MD5 (RFC 2195), for clients that know nothing better. See sasl.h. */
#include <sodium.h>
#include <string.h>
#include <time.h>

#include "auth/account.h"
#include "auth/sasl.h"

/* A msg-id nobody has seen before: random digits, time, our name. */
static bool
make_challenge(struct text *t, const char *hostname)
{
	unsigned char random[8];
	uint64_t n;

	randombytes_buf(random, sizeof random);
	memcpy(&n, random, sizeof n);
	text_addc(t, '<');
	text_addu(t, n);
	text_addc(t, '.');
	text_addu(t, (uint64_t)time(NULL));
	text_addc(t, '@');
	text_add(t, hostname);
	text_addc(t, '>');
	return text_ok(t);
}

enum outcome
mech_cram_md5(struct attempt *a)
{
	char challenge[LIMIT_DOMAIN + 64];
	struct text t;
	enum outcome o;
	char *blank;

	text_init(&t, challenge, sizeof challenge);
	/* RFC 4954 4: 501 for an initial response where the server begins. */
	if (a->initial[0] != '\0' || !make_challenge(&t, a->auth->conf.hostname))
		return attempt_fail(a, OUTCOME_MALFORMED, "syntax");
	o = attempt_ask(a, t.buf, t.len);
	if (o != OUTCOME_YES)
		return o;
	/* The name may hold blanks; the digest has none. */
	blank = strrchr(a->in.text, ' ');
	if (strlen(a->in.text) != a->in.len || blank == NULL || blank == a->in.text ||
	    strlen(blank + 1) != 32 || strspn(blank + 1, "0123456789abcdef") != 32)
		return attempt_fail(a, OUTCOME_MALFORMED, "syntax");
	*blank = '\0';
	return account_response(a, a->in.text, challenge, blank + 1);
}
