/* postern user disable, enable, certificate: who may log in, and with what. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "admin/credential.h"
#include "admin/json.h"
#include "admin/owner.h"
#include "admin/rows.h"
#include "admin/say.h"
#include "admin/user.h"
#include "auth/verifier.h"

/* A certificate file, and what one is in DER. */
#define FILE_MAX (128 * 1024)

static int
set_disabled(struct admin *a, bool disabled)
{
	struct box b;
	int r = user_open(a, &b);

	if (r == DONE)
		r = owner_lock(a->state);
	if (r == DONE)
		r = credential_disable(a, &b, disabled);
	if (r == CREDENTIAL_NONE)
		return say_refused("%s has no password: nobody can log in", b.shown);
	if (r == DONE)
		say(disabled ? "%s can log in no longer; its mail stays and still comes in.\n" :
		               "%s can log in again.\n", b.shown);
	return r;
}

int
user_disable(struct admin *a)
{
	return set_disabled(a, true);
}

int
user_enable(struct admin *a)
{
	return set_disabled(a, false);
}

static ssize_t
read_file(const char *path, char *buf, size_t cap)
{
	size_t len = 0;
	ssize_t n = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return -1;
	while (len < cap && (n = read(fd, buf + len, cap - len)) > 0)
		len += (size_t)n;
	(void)close(fd); /* only read */
	errno = n > 0 ? EFBIG : errno;
	return n == 0 ? (ssize_t)len : -1;
}

/* The octets of the first certificate: PEM (RFC 7468), or else DER as it is. */
static bool
find_der(char *file, size_t len, const unsigned char **der, size_t *der_len)
{
	static unsigned char decoded[FILE_MAX];
	const char *begin = memmem(file, len, "-----BEGIN CERTIFICATE-----", 27);
	const char *end = begin != NULL ?
	                  memmem(begin, len - (size_t)(begin - file), "-----END CERT", 13) : NULL;

	*der = (const unsigned char *)file;
	*der_len = len;
	if (begin != NULL) {
		begin += 27;
		if (end == NULL || sodium_base642bin(decoded, sizeof decoded, begin,
		    (size_t)(end - begin), " \t\r\n", der_len, NULL,
		    sodium_base64_VARIANT_ORIGINAL) == -1)
			return false;
		*der = decoded;
	}
	/* A SEQUENCE whose two length octets cover all of it (X.690 8.1.3.5). */
	return *der_len > 4 && (*der)[0] == 0x30 && (*der)[1] == 0x82 &&
	       ((size_t)(*der)[2] << 8 | (*der)[3]) + 4 == *der_len;
}

static int
hash_file(const char *path, char fingerprint[VERIFIER_FINGERPRINT])
{
	static char file[FILE_MAX];
	unsigned char hash[crypto_hash_sha256_BYTES];
	const unsigned char *der;
	size_t der_len;
	ssize_t len = read_file(path, file, sizeof file);

	if (len == -1)
		return say_failed(errno, "%s", path);
	if (!find_der(file, (size_t)len, &der, &der_len))
		return say_refused("%s holds no certificate: expected one in PEM or DER", path);
	crypto_hash_sha256(hash, der, der_len);
	sodium_bin2hex(fingerprint, VERIFIER_FINGERPRINT, hash, sizeof hash);
	return DONE;
}

/* From the file named, or as typed. */
static int
get_fingerprint(const struct admin *a, char fingerprint[VERIFIER_FINGERPRINT])
{
	if (a->n_args > 1 && a->fingerprint != NULL)
		return say_misused("name a file or a fingerprint, not both");
	if (a->n_args > 1)
		return hash_file(a->args[1], fingerprint);
	if (parse_fingerprint(fingerprint, a->fingerprint))
		return DONE;
	return say_misused("'%s' is no fingerprint: expected SHA-256 in 64 hexadecimal digits",
	                   a->fingerprint);
}

static int
list(struct admin *a, const struct box *b)
{
	struct rows rows;
	struct json j;
	int r;

	if (rows_start(&rows, 1) == -1)
		return say_failed(errno, "starting a list");
	r = credential_list(a, b, &rows);
	if (r == DONE && rows_load(&rows) == -1)
		r = say_failed(errno, "reading a list");
	if (r == DONE && a->json) {
		json_start(&j, stdout);
		json_open(&j, NULL, '[');
		for (size_t i = 0; i < rows.n; i++)
			json_string(&j, NULL, rows_get(&rows, i, 0));
		json_close(&j, ']');
		json_end(&j);
	} else if (r == DONE) {
		for (size_t i = 0; i < rows.n; i++)
			say("%s\n", rows_get(&rows, i, 0));
	}
	rows_free(&rows);
	return r;
}

int
user_certificate(struct admin *a)
{
	char fingerprint[VERIFIER_FINGERPRINT];
	struct box b;
	int r = user_open(a, &b);

	if (r != DONE)
		return r;
	if (a->n_args == 1 && a->fingerprint == NULL)
		return a->remove ? say_misused("--remove: expected which one") : list(a, &b);
	r = get_fingerprint(a, fingerprint);
	if (r == DONE)
		r = owner_lock(a->state);
	if (r == DONE)
		r = credential_certificate(a, &b, fingerprint, a->remove);
	if (r == DONE)
		say(a->remove ? "%s can log in no longer with the certificate %s.\n" :
		                "%s can log in with the certificate %s.\n", b.shown, fingerprint);
	return r;
}
