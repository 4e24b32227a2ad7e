/* See scram.h. Called by mech_scram.c. */
#include "auth/scram.h"

#include <sodium.h>
#include <string.h>
#include <unistr.h>

#include "auth/hash.h"

#define HASH crypto_hash_sha256_BYTES

/* A message is UTF-8 without NUL (RFC 5802 5). */
static bool
is_text(const struct message *m)
{
	return strlen(m->text) == m->len && u8_check((const uint8_t *)m->text, m->len) == NULL;
}

/* saslname: "=2C" and "=3D" stand for "," and "="; no other "=" is allowed. */
static const char *
read_name(const char *p, char *out, size_t cap)
{
	struct text t;

	text_init(&t, out, cap);
	while (*p != '\0' && *p != ',') {
		if (*p != '=') {
			text_addc(&t, *p++);
		} else if (strncmp(p, "=2C", 3) == 0 || strncmp(p, "=3D", 3) == 0) {
			text_addc(&t, p[1] == '2' ? ',' : '=');
			p += 3;
		} else {
			return NULL;
		}
	}
	return text_ok(&t) && t.len > 0 ? p : NULL;
}

/* gs2-header: what stands behind it, or NULL. */
static const char *
read_header(struct scram *s, const char *p)
{
	struct text t;

	s->flag = *p++;
	if (s->flag == 'p') {
		size_t len = strcspn(p, ",");

		text_init(&t, s->binding, sizeof s->binding);
		text_addn(&t, p + 1, len > 0 ? len - 1 : 0);
		/* cb-name: letters, digits, "." and "-" (RFC 5801 4). */
		if (*p != '=' || !text_ok(&t) || t.len == 0 ||
		    t.len != strspn(s->binding, "abcdefghijklmnopqrstuvwxyz"
		                    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"))
			return NULL;
		p += len;
	} else if (s->flag != 'n' && s->flag != 'y') {
		return NULL;
	}
	if (*p++ != ',')
		return NULL;
	if (*p == 'a' && p[1] == '=')
		p = read_name(p + 2, s->authorize, sizeof s->authorize);
	return p != NULL && *p == ',' ? p + 1 : NULL;
}

static bool
is_nonce(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] < '!' || s[i] > '~' || s[i] == ',')
			return false;
	return len > 0;
}

/* Optional extensions up to the end: ",x=value", each of a letter of its own. */
static bool
is_extensions(const char *p)
{
	while (*p == ',') {
		bool letter = (p[1] >= 'a' && p[1] <= 'z') || (p[1] >= 'A' && p[1] <= 'Z');

		/* RFC 5802 5.1: m= is a mandatory one, and we know none. */
		if (!letter || p[1] == 'm' || p[2] != '=' || p[3] == ',' || p[3] == '\0')
			return false;
		p += 3 + strcspn(p + 3, ",");
	}
	return *p == '\0';
}

bool
scram_read_first(struct scram *s, const struct message *m)
{
	const char *bare, *p;
	struct text t;
	size_t len;

	memset(s, 0, sizeof *s);
	if (!is_text(m) || m->len == 0)
		return false;
	bare = read_header(s, m->text);
	if (bare == NULL || strncmp(bare, "n=", 2) != 0)
		return false;
	p = read_name(bare + 2, s->user, sizeof s->user);
	if (p == NULL || strncmp(p, ",r=", 3) != 0)
		return false;
	p += 3;
	len = strcspn(p, ",");
	if (len > SCRAM_NONCE || !is_nonce(p, len) || !is_extensions(p + len))
		return false;
	text_init(&t, s->nonce, sizeof s->nonce);
	text_addn(&t, p, len);
	s->bound_len = (size_t)(bare - m->text);
	if (s->bound_len > sizeof s->bound - SCRAM_BINDING_DATA)
		return false;
	memcpy(s->bound, m->text, s->bound_len);
	text_init(&s->said, s->said_buf, sizeof s->said_buf);
	text_add(&s->said, bare);
	text_addc(&s->said, ',');
	return text_ok(&s->said);
}

bool
scram_bind(struct scram *s, const void *data, size_t len)
{
	if (len > sizeof s->bound - s->bound_len)
		return false;
	memcpy(s->bound + s->bound_len, data, len);
	s->bound_len += len;
	return true;
}

void
scram_first(struct scram *s, const char *own_nonce, const struct verifier_scram *v,
            struct text *out)
{
	struct text t = { s->nonce, sizeof s->nonce, strlen(s->nonce), false };

	text_add(&t, own_nonce);
	text_add(out, "r=");
	text_add(out, s->nonce);
	text_add(out, ",s=");
	hash_add_base64(out, v->salt, v->salt_len);
	text_add(out, ",i=");
	text_addu(out, v->iterations);
	text_add(&s->said, out->buf);
	text_addc(&s->said, ',');
}

/* The value of the attribute `name` at the start of p, base64; what is behind, or NULL. */
static const char *
read_base64(const char *p, const char *name, unsigned char *out, size_t cap, size_t *len)
{
	size_t n = strlen(name);
	const char *end;

	if (strncmp(p, name, n) != 0)
		return NULL;
	p += n;
	if (sodium_base642bin(out, cap, p, strcspn(p, ","), NULL, len, &end,
	                      sodium_base64_VARIANT_ORIGINAL) == -1)
		return NULL;
	return *end == ',' || *end == '\0' ? end : NULL;
}

/* RFC 5802 3: H(ClientProof XOR HMAC(StoredKey, AuthMessage)) is StoredKey? */
static bool
is_proof(const unsigned char proof[HASH], const struct verifier_scram *v, const char *said)
{
	unsigned char key[HASH], hash[HASH];
	bool good;

	hash_hmac(key, v->stored, said);
	for (unsigned i = 0; i < HASH; i++)
		key[i] ^= proof[i];
	crypto_hash_sha256(hash, key, sizeof key);
	good = sodium_memcmp(hash, v->stored, HASH) == 0;
	sodium_memzero(key, sizeof key);
	sodium_memzero(hash, sizeof hash);
	return good;
}

bool
scram_read_final(struct scram *s, const struct message *m)
{
	unsigned char bound[sizeof s->bound];
	const char *p, *last;
	char middle[MESSAGE_MAX + 1];
	size_t len, nonce = strlen(s->nonce);
	struct text t;

	if (!is_text(m))
		return false;
	p = read_base64(m->text, "c=", bound, sizeof bound, &len);
	if (p == NULL || strncmp(p, ",r=", 3) != 0)
		return false;
	s->unbound = len != s->bound_len || sodium_memcmp(bound, s->bound, len) != 0;
	p += 3;
	/* RFC 5802 5.1: both nonces, as we sent them. */
	if (strncmp(p, s->nonce, nonce) != 0 || (p[nonce] != ',' && p[nonce] != '\0'))
		return false;
	p += nonce;
	last = strrchr(p, ','); /* p= is the last attribute */
	if (last == NULL)
		return false;
	text_init(&t, middle, sizeof middle);
	text_addn(&t, p, (size_t)(last - p));
	if (!is_extensions(middle))
		return false;
	p = read_base64(last + 1, "p=", s->proof, HASH, &len);
	if (p == NULL || *p != '\0' || len != HASH)
		return false;
	text_addn(&s->said, m->text, (size_t)(last - m->text));
	return text_ok(&s->said);
}

enum scram_verdict
scram_check(const struct scram *s, const struct verifier_scram *v, struct text *out)
{
	unsigned char signature[HASH];

	if (s->unbound)
		return SCRAM_UNBOUND;
	if (!is_proof(s->proof, v, s->said_buf))
		return SCRAM_WRONG;
	hash_hmac(signature, v->server, s->said_buf);
	text_add(out, "v=");
	hash_add_base64(out, signature, sizeof signature);
	return SCRAM_PROVED;
}
