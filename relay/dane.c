/* See dane.h. */
#include "relay/dane.h"

#include <sha2.h>
#include <string.h>

#include "base/text.h"

enum { USAGE_TA = 2, USAGE_EE = 3 };
enum { MATCHING_FULL, MATCHING_SHA256, MATCHING_SHA512 };

/* One SEQUENCE of DER and nothing behind it: all that a certificate or key can be. */
static bool
is_der(const unsigned char *s, size_t len)
{
	size_t n, octets;

	if (len < 2 || s[0] != 0x30)
		return false;
	if (s[1] < 0x80)
		return len == 2U + s[1];
	octets = s[1] & 0x7fU;
	if (octets == 0 || octets > 2 || len < 2 + octets)
		return false;
	n = octets == 1 ? s[2] : (size_t)s[2] << 8 | s[3];
	return len == 2 + octets + n;
}

static bool
is_usable(const unsigned char *s, size_t len)
{
	size_t n = len - 3; /* answer.h: more than three octets */

	if ((s[0] != USAGE_TA && s[0] != USAGE_EE) || s[1] > 1)
		return false;
	switch (s[2]) {
	case MATCHING_FULL:
		return is_der(s + 3, n);
	case MATCHING_SHA256:
		return n == 32;
	case MATCHING_SHA512:
		return n == 64;
	default:
		return false;
	}
}

static bool
add(struct dane *d, struct text *t, const unsigned char head[3], const unsigned char *data,
    size_t len)
{
	const char *start = t->buf + t->len;

	if (d->n == LIMIT_TLSA || 2 * len + 7 > t->cap - t->len)
		return false;
	for (int i = 0; i < 3; i++) {
		text_addu(t, head[i]);
		text_addc(t, ' ');
	}
	for (size_t i = 0; i < len; i++)
		text_addx(t, data[i], 2);
	for (unsigned i = 0; i < d->n; i++)
		if (strcmp(d->record[i], start) == 0) { /* said twice, or hashed to another */
			t->len = (size_t)(start - t->buf);
			t->buf[t->len] = '\0';
			return true;
		}
	d->record[d->n++] = start;
	t->len++; /* the NUL stays */
	return text_ok(t);
}

static bool
add_hash(struct dane *d, struct text *t, const unsigned char *s, size_t len)
{
	const unsigned char head[3] = { s[0], s[1], MATCHING_SHA256 };
	unsigned char hash[SHA256_DIGEST_LENGTH];
	SHA2_CTX c;

	SHA256Init(&c);
	SHA256Update(&c, s + 3, len - 3);
	SHA256Final(hash, &c);
	return add(d, t, head, hash, sizeof hash);
}

/* Room for hashes of all that follow stays. */
static bool
has_room(const struct dane *d, const struct text *t, size_t len)
{
	return 2 * len + 7 + (LIMIT_TLSA - 1 - d->n) * (2 * 64 + 7) <= t->cap - t->len;
}

/*
 * The server's own certificate is sent in any case, so its hash does; an authority's may
 * be known from the record alone (RFC 7671 5.2.2).
 */
void
dane_pick(struct dane *d, const struct answer *a)
{
	struct text t;

	d->n = 0;
	text_init(&t, d->text, sizeof d->text);
	for (int usage = USAGE_EE; usage >= USAGE_TA; usage--)
		for (unsigned i = 0; i < a->n; i++) {
			const unsigned char *s = a->record[i].data;
			size_t len = a->record[i].len;

			if (s[0] != usage || !is_usable(s, len))
				continue;
			if (s[2] == MATCHING_FULL &&
			    (usage == USAGE_EE || d->n == LIMIT_TLSA || !has_room(d, &t, len - 3)))
				(void)add_hash(d, &t, s, len); /* full: more than anybody publishes */
			else
				(void)add(d, &t, s, s + 3, len - 3);
		}
}
