/* See attempt.h. Base64 to and from the client; called by the mechanisms. */
#include "auth/attempt.h"

#include <sodium.h>
#include <string.h>

enum outcome
attempt_fail(struct attempt *a, enum outcome o, const char *reason)
{
	a->reason = reason;
	return o;
}

/* RFC 4954 4: base64 of RFC 4648 4, padded, nothing between or behind. */
static enum outcome
decode(struct attempt *a, const char *base64)
{
	if (sodium_base642bin((unsigned char *)a->in.text, MESSAGE_MAX, base64, strlen(base64),
	                      NULL, &a->in.len, NULL, sodium_base64_VARIANT_ORIGINAL) == -1) {
		a->in.len = 0;
		a->in.text[0] = '\0';
		return attempt_fail(a, OUTCOME_MALFORMED, "base64");
	}
	a->in.text[a->in.len] = '\0';
	return OUTCOME_YES;
}

enum outcome
attempt_ask(struct attempt *a, const void *data, size_t len)
{
	char challenge[LIMIT_SASL + 1], response[LIMIT_SASL + 1];
	enum outcome o = OUTCOME_LATER;

	if (sodium_base64_encoded_len(len, sodium_base64_VARIANT_ORIGINAL) <= sizeof challenge) {
		sodium_bin2base64(challenge, sizeof challenge, data, len,
		                  sodium_base64_VARIANT_ORIGINAL);
		o = a->ask(a, challenge, response);
		if (o == OUTCOME_YES)
			o = decode(a, response);
	}
	sodium_memzero(response, sizeof response);
	return o;
}

enum outcome
attempt_first(struct attempt *a)
{
	enum outcome o;

	if (a->initial[0] == '\0')
		return attempt_ask(a, "", 0);
	/* RFC 4954 4: "=" is an initial response of no octets. */
	o = decode(a, strcmp(a->initial, "=") == 0 ? "" : a->initial);
	sodium_memzero(a->initial, sizeof a->initial);
	return o;
}

enum outcome
attempt_last(struct attempt *a, const void *data, size_t len)
{
	enum outcome o = attempt_ask(a, data, len);

	if (o == OUTCOME_YES && a->in.len > 0)
		return attempt_fail(a, OUTCOME_MALFORMED, "last-response");
	return o;
}
