/*
 * See verifier.h. libsodium's primitives only. Called where a password is set, and
 * by `postern check`.
 */
#include "auth/verifier.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#include "base/num.h"

/*
 * libsodium's INTERACTIVE cost (64 MiB, 2 passes; OWASP asks for 19 MiB, 2 passes):
 * mail programs log in at every look for mail, and each runs in a process of its
 * own; at MODERATE (256 MiB) four at once would use up a small host.
 */
#define OPS crypto_pwhash_argon2id_OPSLIMIT_INTERACTIVE
#define MEMORY crypto_pwhash_argon2id_MEMLIMIT_INTERACTIVE

/*
 * RFC 7677 4 asks for 4096 or more. In SCRAM the client does this work, once a
 * login, and who steals the file attacks the cheapest line: so as many as a slow
 * client does in a fraction of a second.
 */
#define ITERATIONS 100000
#define ITERATIONS_MIN 4096
#define SALT 16
#define HASH crypto_hash_sha256_BYTES

static void
add_base64(struct text *t, const unsigned char *data, size_t len)
{
	char out[64];

	text_addc(t, ' ');
	text_add(t, sodium_bin2base64(out, sizeof out, data, len, sodium_base64_VARIANT_ORIGINAL));
}

/* RFC 5802 2.2: Hi(), which is PBKDF2 with HMAC-SHA-256 and one block of output. */
static void
stretch(unsigned char out[HASH], const char *password, const unsigned char salt[SALT])
{
	static const unsigned char one[4] = { 0, 0, 0, 1 };
	crypto_auth_hmacsha256_state keyed, s;
	unsigned char u[HASH];

	crypto_auth_hmacsha256_init(&keyed, (const unsigned char *)password, strlen(password));
	s = keyed; /* the key's own blocks are hashed once, not at every round */
	crypto_auth_hmacsha256_update(&s, salt, SALT);
	crypto_auth_hmacsha256_update(&s, one, sizeof one);
	crypto_auth_hmacsha256_final(&s, u);
	memcpy(out, u, HASH);
	for (unsigned i = 1; i < ITERATIONS; i++) {
		s = keyed;
		crypto_auth_hmacsha256_update(&s, u, HASH);
		crypto_auth_hmacsha256_final(&s, u);
		for (unsigned j = 0; j < HASH; j++)
			out[j] ^= u[j];
	}
	sodium_memzero(&keyed, sizeof keyed);
	sodium_memzero(&s, sizeof s);
	sodium_memzero(u, sizeof u);
}

static void
hmac(unsigned char out[HASH], const unsigned char key[HASH], const char *text)
{
	crypto_auth_hmacsha256_state s;

	crypto_auth_hmacsha256_init(&s, key, HASH);
	crypto_auth_hmacsha256_update(&s, (const unsigned char *)text, strlen(text));
	crypto_auth_hmacsha256_final(&s, out);
	sodium_memzero(&s, sizeof s);
}

/* RFC 5802 3: StoredKey and ServerKey; the ClientKey is not kept. */
static void
add_scram(struct text *t, const char *password)
{
	unsigned char salt[SALT], salted[HASH], client[HASH], stored[HASH], server[HASH];

	randombytes_buf(salt, sizeof salt);
	stretch(salted, password, salt);
	hmac(client, salted, "Client Key");
	crypto_hash_sha256(stored, client, sizeof client);
	hmac(server, salted, "Server Key");
	text_add(t, "scram-sha-256 ");
	text_addu(t, ITERATIONS);
	add_base64(t, salt, sizeof salt);
	add_base64(t, stored, sizeof stored);
	add_base64(t, server, sizeof server);
	text_addc(t, '\n');
	sodium_memzero(salted, sizeof salted);
	sodium_memzero(client, sizeof client);
	sodium_memzero(stored, sizeof stored);
	sodium_memzero(server, sizeof server);
}

bool
verifier_text(struct text *t, const char *password)
{
	char argon[crypto_pwhash_argon2id_STRBYTES];
	char when[32];
	time_t now = time(NULL);
	struct tm tm;

	errno = ENOMEM;
	if (sodium_init() == -1 || crypto_pwhash_argon2id_str(argon, password, strlen(password),
	                                                      OPS, MEMORY) == -1)
		return false;
	text_add(t, "argon2id ");
	text_add(t, argon);
	text_addc(t, '\n');
	add_scram(t, password);
	if (gmtime_r(&now, &tm) == NULL || strftime(when, sizeof when, "%FT%TZ", &tm) == 0)
		return false;
	text_add(t, "changed ");
	text_add(t, when);
	text_addc(t, '\n');
	sodium_memzero(argon, sizeof argon);
	return text_ok(t);
}

static bool
is_argon2id(const char *value)
{
	return strncmp(value, crypto_pwhash_argon2id_STRPREFIX,
	               strlen(crypto_pwhash_argon2id_STRPREFIX)) == 0 &&
	       strlen(value) < crypto_pwhash_argon2id_STRBYTES;
}

/* The next word of *s, base64 of at least min octets. */
static bool
take_base64(const char **s, size_t min)
{
	unsigned char out[64];
	const char *end;
	size_t len;

	if (**s != ' ')
		return false;
	(*s)++;
	if (sodium_base642bin(out, sizeof out, *s, strcspn(*s, " "), NULL, &len, &end,
	                      sodium_base64_VARIANT_ORIGINAL) == -1)
		return false;
	*s = end;
	return len >= min;
}

static bool
is_scram(const char *value)
{
	char number[16];
	size_t len = strcspn(value, " ");
	uint64_t iterations;
	struct text t;

	text_init(&t, number, sizeof number);
	text_addn(&t, value, len);
	value += len;
	return text_ok(&t) && parse_u64(number, UINT32_MAX, &iterations) &&
	       iterations >= ITERATIONS_MIN && take_base64(&value, 1) &&
	       take_base64(&value, HASH) && take_base64(&value, HASH) && *value == '\0';
}

static bool
is_anything(const char *value)
{
	(void)value;
	return true;
}

static const struct verifier_key {
	const char *name;
	bool (*is_valid)(const char *value);
	const char *problem;
} keys[] = {
	{ "argon2id", is_argon2id, "its argon2id line is damaged" },
	{ "scram-sha-256", is_scram, "its scram-sha-256 line is damaged" },
	{ "cram-md5", is_anything, "" },
	{ "digest-md5", is_anything, "" },
	{ "disabled", is_anything, "" },
	{ "changed", is_anything, "" },
};

static const char *
line_problem(const char *line)
{
	size_t len = strcspn(line, " ");

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		const struct verifier_key *k = &keys[i];

		if (strlen(k->name) == len && memcmp(k->name, line, len) == 0)
			return k->is_valid(line + len + (line[len] == ' ')) ? NULL : k->problem;
	}
	return "it holds an unknown line";
}

const char *
verifier_problem(const char *content)
{
	char line[VERIFIER_MAX];
	const char *problem = NULL;

	while (*content != '\0' && problem == NULL) {
		size_t len = strcspn(content, "\n");
		struct text t;

		if (content[len] == '\0')
			return "it does not end in a newline";
		text_init(&t, line, sizeof line);
		text_addn(&t, content, len);
		problem = text_ok(&t) ? line_problem(line) : "it holds a very long line";
		content += len + 1;
	}
	sodium_memzero(line, sizeof line);
	return problem;
}
