/* See make.h. `postern init` and `postern tls make` come here. */
#include "tls/make.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/text.h"

/* What Apple's clients take at most; nobody else asks for less of a self-signed one. */
#define DAYS 825
#define NAMES 16

static bool
add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	bool good = e != NULL && X509_add_ext(cert, e, -1) == 1;

	X509_EXTENSION_free(e);
	return good;
}

/* "DNS:mx.example.org,DNS:example.org"; names were checked by the caller. */
static bool
add_names(X509 *cert, char *const *names, int n)
{
	char value[NAMES * (LIMIT_DOMAIN + 8)];
	struct text t;

	text_init(&t, value, sizeof value);
	for (int i = 0; i < n; i++) {
		text_add(&t, i > 0 ? ",DNS:" : "DNS:");
		text_add(&t, names[i]);
	}
	return text_ok(&t) && add_extension(cert, NID_subject_alt_name, value);
}

static bool
set_serial(X509 *cert)
{
	unsigned char octets[16];
	BIGNUM *n = NULL;
	bool good;

	good = RAND_bytes(octets, sizeof octets) == 1;
	octets[0] &= 0x7f; /* RFC 5280 4.1.2.2: positive, random, of 20 octets at most */
	octets[0] |= 0x40;
	good = good && (n = BN_bin2bn(octets, sizeof octets, NULL)) != NULL &&
	       BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) != NULL;
	BN_free(n);
	return good;
}

static bool
set_subject(X509 *cert, const char *name)
{
	X509_NAME *subject = X509_get_subject_name(cert);

	/* RFC 5280 A.1: a common name has 64 octets; the names that count are elsewhere. */
	if (strlen(name) <= 64 &&
	    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
	                               (const unsigned char *)name, -1, -1, 0) != 1)
		return false;
	return X509_set_issuer_name(cert, subject) == 1;
}

static X509 *
make_cert(EVP_PKEY *key, char *const *names, int n)
{
	X509 *cert = X509_new();

	/* An hour back: clocks differ. */
	if (cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
	    X509_gmtime_adj(X509_getm_notBefore(cert), -3600) != NULL &&
	    X509_time_adj_ex(X509_getm_notAfter(cert), DAYS - 1, 0, NULL) != NULL &&
	    set_subject(cert, names[0]) && X509_set_pubkey(cert, key) == 1 &&
	    add_names(cert, names, n) &&
	    add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
	    add_extension(cert, NID_key_usage, "critical,digitalSignature") &&
	    add_extension(cert, NID_ext_key_usage, "serverAuth,clientAuth") &&
	    X509_sign(cert, key, EVP_sha256()) > 0)
		return cert;
	X509_free(cert);
	return NULL;
}

/* A new file on disk; exactly one of key and cert is written. */
static bool
write_file(const char *path, mode_t mode, EVP_PKEY *key, X509 *cert)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	FILE *f = fd == -1 ? NULL : fdopen(fd, "w");
	bool good;

	if (f == NULL)
		return false;
	good = fchmod(fd, mode) == 0 && /* whatever the umask */
	       (cert != NULL ? PEM_write_X509(f, cert) == 1 :
	        PEM_write_PKCS8PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1) &&
	       fflush(f) == 0 && fsync(fd) == 0;
	if (fclose(f) == EOF)
		good = false;
	if (!good) {
		int err = errno;

		(void)unlink(path); /* half a file is none */
		errno = err;
	}
	return good;
}

int
make_certificate(const char *cert_file, const char *key_file, char *const *names, int n,
                 const char **why)
{
	EVP_PKEY *key = n <= NAMES ? EVP_EC_gen("P-256") : NULL;
	X509 *cert = key != NULL ? make_cert(key, names, n) : NULL;
	int r = -1;

	errno = 0;
	if (cert == NULL) {
		*why = "make a certificate";
	} else if (!write_file(key_file, 0600, key, NULL)) {
		*why = key_file;
	} else if (!write_file(cert_file, 0644, NULL, cert)) {
		int err = errno;

		(void)unlink(key_file); /* ours, and of no use */
		errno = err;
		*why = cert_file;
	} else {
		r = 0;
	}
	X509_free(cert);
	EVP_PKEY_free(key);
	return r;
}
