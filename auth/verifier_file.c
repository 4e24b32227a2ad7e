/* See verifier.h. The text of a verifier file, both ways: one row for each kind of line. */
#include <sodium.h>
#include <string.h>

#include "auth/hash.h"
#include "auth/verifier.h"
#include "base/num.h"

/* RFC 7677 4; more than the upper end only locks clients up. */
#define ITERATIONS_MIN 4096
#define ITERATIONS_MAX 10000000
/* What libsodium would be asked for by a file from elsewhere: memory in KiB, passes. */
#define ARGON2ID_PREFIX "$argon2id$v=19$m="

static bool
read_argon2id(struct verifier *v, const char *value)
{
	return strncmp(value, ARGON2ID_PREFIX, strlen(ARGON2ID_PREFIX)) == 0 &&
	       text_copy(v->argon2id, sizeof v->argon2id, value);
}

/* The next word of *s, base64, into out of cap octets. */
static bool
take_base64(const char **s, unsigned char *out, size_t cap, size_t *len)
{
	const char *end;

	if (**s != ' ')
		return false;
	(*s)++;
	if (sodium_base642bin(out, cap, *s, strcspn(*s, " "), NULL, len, &end,
	                      sodium_base64_VARIANT_ORIGINAL) == -1)
		return false;
	*s = end;
	return *len > 0;
}

static bool
read_scram(struct verifier *v, const char *value)
{
	struct verifier_scram *s = &v->scram;
	char number[16];
	size_t len = strcspn(value, " ");
	size_t stored, server;
	uint64_t iterations;
	struct text t;

	text_init(&t, number, sizeof number);
	text_addn(&t, value, len);
	value += len;
	if (!text_ok(&t) || !parse_u64(number, ITERATIONS_MAX, &iterations) ||
	    iterations < ITERATIONS_MIN || !take_base64(&value, s->salt, sizeof s->salt,
	    &s->salt_len) || !take_base64(&value, s->stored, VERIFIER_HASH, &stored) ||
	    !take_base64(&value, s->server, VERIFIER_HASH, &server))
		return false;
	s->iterations = (uint32_t)iterations;
	return *value == '\0' && stored == VERIFIER_HASH && server == VERIFIER_HASH;
}

/* Its form; whether our key opens it shows when it is used. */
static bool
is_sealed(const char *value)
{
	return strlen(value) == VERIFIER_SEALED - 1 &&
	       strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	              "0123456789+/") == VERIFIER_SEALED - 1;
}

static bool
read_cram(struct verifier *v, const char *value)
{
	return is_sealed(value) && text_copy(v->cram_md5, sizeof v->cram_md5, value);
}

static bool
read_digest(struct verifier *v, const char *value)
{
	size_t len = strcspn(value, " ");
	struct text t;

	text_init(&t, v->digest_realm, sizeof v->digest_realm);
	text_addn(&t, value, len);
	return len > 0 && value[len] == ' ' && text_ok(&t) && is_sealed(value + len + 1) &&
	       text_copy(v->digest_md5, sizeof v->digest_md5, value + len + 1);
}

bool
parse_fingerprint(char out[VERIFIER_FINGERPRINT], const char *s)
{
	struct text t;

	text_init(&t, out, VERIFIER_FINGERPRINT);
	for (; *s != '\0'; s++) {
		bool between = t.len > 0 && t.len % 2 == 0;

		if (*s == ':' && between && s[-1] != ':' && s[1] != '\0')
			continue;
		if (*s >= 'A' && *s <= 'F')
			text_addc(&t, (char)(*s - 'A' + 'a'));
		else if ((*s >= 'a' && *s <= 'f') || (*s >= '0' && *s <= '9'))
			text_addc(&t, *s);
		else
			return false;
	}
	return text_ok(&t) && t.len == VERIFIER_FINGERPRINT - 1;
}

static bool
read_certificate(struct verifier *v, const char *value)
{
	return v->n_certificates < VERIFIER_CERTIFICATES &&
	       parse_fingerprint(v->certificate[v->n_certificates++], value);
}

static bool
read_disabled(struct verifier *v, const char *value)
{
	(void)value; /* older hands may have noted a reason */
	v->disabled = true;
	return true;
}

static bool
read_changed(struct verifier *v, const char *value)
{
	return text_copy(v->changed, sizeof v->changed, value) &&
	       value[strspn(value, "0123456789-T:Z")] == '\0';
}

static const struct verifier_key {
	const char *name;
	bool (*read)(struct verifier *v, const char *value);
	const char *problem;
} keys[] = {
	{ "argon2id", read_argon2id, "its argon2id line is damaged" },
	{ "scram-sha-256", read_scram, "its scram-sha-256 line is damaged" },
	{ "cram-md5", read_cram, "its cram-md5 line is damaged" },
	{ "digest-md5", read_digest, "its digest-md5 line is damaged" },
	{ "certificate", read_certificate, "a certificate line of it is damaged, or there "
	                                   "are more than 8" },
	{ "disabled", read_disabled, "" },
	{ "changed", read_changed, "its changed line is damaged" },
};

static const char *
read_line(struct verifier *v, const char *line, unsigned *seen)
{
	size_t len = strcspn(line, " ");

	for (unsigned i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		const struct verifier_key *k = &keys[i];

		if (strlen(k->name) != len || memcmp(k->name, line, len) != 0)
			continue;
		if ((*seen & 1U << i) != 0 && k->read != read_certificate)
			return "it has two lines of one kind";
		*seen |= 1U << i;
		return k->read(v, line + len + (line[len] == ' ')) ? NULL : k->problem;
	}
	return "it holds an unknown line";
}

const char *
verifier_parse(struct verifier *v, const char *content)
{
	char line[VERIFIER_MAX];
	const char *problem = NULL;
	unsigned seen = 0;

	memset(v, 0, sizeof *v);
	while (*content != '\0' && problem == NULL) {
		size_t len = strcspn(content, "\n");
		struct text t;

		if (content[len] == '\0')
			return "it does not end in a newline";
		text_init(&t, line, sizeof line);
		text_addn(&t, content, len);
		problem = text_ok(&t) ? read_line(v, line, &seen) : "it holds a very long line";
		content += len + 1;
	}
	sodium_memzero(line, sizeof line);
	return problem;
}

static void
add_line(struct text *t, const char *name, const char *value)
{
	if (value[0] == '\0')
		return;
	text_add(t, name);
	text_addc(t, ' ');
	text_add(t, value);
	text_addc(t, '\n');
}

void
verifier_print(struct text *t, const struct verifier *v)
{
	const struct verifier_scram *s = &v->scram;

	add_line(t, "argon2id", v->argon2id);
	if (s->iterations > 0) {
		text_add(t, "scram-sha-256 ");
		text_addu(t, s->iterations);
		text_addc(t, ' ');
		hash_add_base64(t, s->salt, s->salt_len);
		text_addc(t, ' ');
		hash_add_base64(t, s->stored, sizeof s->stored);
		text_addc(t, ' ');
		hash_add_base64(t, s->server, sizeof s->server);
		text_addc(t, '\n');
	}
	add_line(t, "cram-md5", v->cram_md5);
	if (v->digest_md5[0] != '\0') {
		text_add(t, "digest-md5 ");
		text_add(t, v->digest_realm);
		text_addc(t, ' ');
		text_add(t, v->digest_md5);
		text_addc(t, '\n');
	}
	for (unsigned i = 0; i < v->n_certificates; i++)
		add_line(t, "certificate", v->certificate[i]);
	if (v->disabled)
		text_add(t, "disabled\n");
	add_line(t, "changed", v->changed);
}
