/* DIGEST-MD5 (RFC 2831), authentication only: historic, opt-in. See sasl.h, digest.h. */
#include <sodium.h>
#include <string.h>

#include "auth/account.h"
#include "auth/digest.h"
#include "auth/md5.h"
#include "auth/sasl.h"

#define NONCE 32

static enum outcome
challenge(struct attempt *a, char nonce[NONCE + 1])
{
	unsigned char random[NONCE / 4 * 3];
	char buf[LIMIT_DOMAIN + 128];
	struct text t;

	randombytes_buf(random, sizeof random);
	sodium_bin2base64(nonce, NONCE + 1, random, sizeof random, sodium_base64_VARIANT_ORIGINAL);
	text_init(&t, buf, sizeof buf);
	text_add(&t, "realm=\"");
	text_add(&t, a->auth->conf.hostname);
	text_add(&t, "\",nonce=\"");
	text_add(&t, nonce);
	text_add(&t, "\",qop=\"auth\",charset=utf-8,algorithm=md5-sess");
	return attempt_ask(a, t.buf, t.len);
}

static bool
is_proof(const struct attempt *a, const struct digest *d, char rspauth[MD5_HEX])
{
	const struct md5_digest parts = { d->nonce, d->cnonce, d->nc, d->uri, d->authorize };
	unsigned char secret[VERIFIER_SECRET];
	char wanted[MD5_HEX];
	bool good = strcmp(a->v.digest_realm, d->realm) == 0;

	/* Where there is no verifier, one that nobody's password made. */
	if (!verifier_open(secret, a->v.digest_md5, a->auth->key, "digest-md5")) {
		good = false;
		randombytes_buf(secret, sizeof secret);
	}
	md5_digest_response(wanted, secret, &parts, "AUTHENTICATE:");
	good &= sodium_memcmp(wanted, d->response, MD5_HEX - 1) == 0;
	md5_digest_response(rspauth, secret, &parts, ":");
	sodium_memzero(secret, sizeof secret);
	sodium_memzero(wanted, sizeof wanted);
	return good;
}

static enum outcome
judge(struct attempt *a, const struct digest *d, const char *nonce, char rspauth[MD5_HEX])
{
	enum outcome o;

	/* RFC 2831 2.1.2: what we sent comes back; the service is smtp, under any name. */
	if (strcmp(d->nonce, nonce) != 0 || strcmp(d->realm, a->auth->conf.hostname) != 0 ||
	    strncasecmp(d->uri, "smtp/", 5) != 0)
		return attempt_fail(a, OUTCOME_MALFORMED, "syntax");
	o = account_find(a, d->username);
	if (o == OUTCOME_YES)
		o = account_admit(a);
	if (o != OUTCOME_YES)
		return o;
	if (!is_proof(a, d, rspauth))
		return account_settle(a, false, "password");
	if (!account_may_act_as(a, d->authorize))
		return account_settle(a, false, "authorization");
	return account_settle(a, a->found, "password");
}

enum outcome
mech_digest_md5(struct attempt *a)
{
	static const char key[] = "rspauth=";
	char nonce[NONCE + 1], rspauth[MD5_HEX], last[sizeof key + MD5_HEX];
	struct digest d;
	struct text t;
	enum outcome o;

	if (a->initial[0] != '\0') /* RFC 2831 2.2: no re-authentication here */
		return attempt_fail(a, OUTCOME_MALFORMED, "syntax");
	o = challenge(a, nonce);
	if (o != OUTCOME_YES)
		return o;
	if (!digest_read(&d, &a->in))
		return attempt_fail(a, OUTCOME_MALFORMED, "syntax");
	o = judge(a, &d, nonce, rspauth);
	sodium_memzero(&d, sizeof d);
	if (o != OUTCOME_YES)
		return o;
	text_init(&t, last, sizeof last);
	text_add(&t, key);
	text_add(&t, rspauth);
	return attempt_last(a, t.buf, t.len);
}
