/* See chain.h. */
#include "tls/chain.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "tls/facts.h"
#include "tls/out.h"

#define NAME_LEN 512

STACK_OF(X509) *
chain_read(const char *file, const char **why)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	BIO *in = BIO_new_file(file, "re");
	int err = errno;
	X509 *cert;

	while (in != NULL && chain != NULL && sk_X509_num(chain) < CHAIN_MAX &&
	       (cert = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL)
		if (sk_X509_push(chain, cert) <= 0)
			X509_free(cert);
	ERR_clear_error(); /* "no start line": the end of the file */
	*why = in == NULL ? strerror(err) : "expected certificates in PEM form";
	BIO_free(in);
	if (chain != NULL && sk_X509_num(chain) > 0)
		return chain;
	sk_X509_free(chain);
	return NULL;
}

int
chain_days_left(const X509 *cert)
{
	int days = 0, seconds = 0;

	if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert)) != 1)
		return -1;
	return seconds < 0 ? days - 1 : days;
}

/* "2026-11-22T15:00:00Z" */
static void
print_time(const char *key, const ASN1_TIME *when)
{
	char s[24] = "";
	struct tm tm;

	if (ASN1_TIME_to_tm(when, &tm) == 1)
		(void)strftime(s, sizeof s, "%Y-%m-%dT%H:%M:%SZ", &tm);
	out_field(key, s);
}

static void
print_names(X509 *cert)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);
		char dns[LIMIT_DOMAIN + 1];
		size_t len;

		if (n->type != GEN_DNS)
			continue;
		len = (size_t)ASN1_STRING_length(n->d.dNSName);
		if (len < sizeof dns) {
			memcpy(dns, ASN1_STRING_get0_data(n->d.dNSName), len);
			dns[len] = '\0';
			out_field("names", dns);
		}
	}
	GENERAL_NAMES_free(names);
}

static void
print_key(const EVP_PKEY *key)
{
	char text[96], group[48] = "";
	const char *nist;
	size_t len;

	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) {
		(void)snprintf(text, sizeof text, "%s %d", EVP_PKEY_get0_type_name(key),
		               EVP_PKEY_get_bits(key)); /* names are short */
	} else {
		(void)EVP_PKEY_get_group_name(key, group, sizeof group, &len);
		nist = EC_curve_nid2nist(OBJ_sn2nid(group));
		(void)snprintf(text, sizeof text, "ECDSA %s", nist != NULL ? nist : group);
	}
	out_field("key", text);
}

/* RFC 6698 2.1: usage 3, selector 1, matching 1: what a renewal with the same key keeps. */
static void
print_tlsa(X509 *cert)
{
	unsigned char hash[32], *der = NULL;
	int len = i2d_PUBKEY(X509_get0_pubkey(cert), &der);
	char text[80];
	struct text t;

	text_init(&t, text, sizeof text);
	text_add(&t, "3 1 1 ");
	if (len > 0 && EVP_Digest(der, (size_t)len, hash, NULL, EVP_sha256(), NULL) == 1)
		for (size_t i = 0; i < sizeof hash; i++)
			text_addx(&t, hash[i], 2);
	OPENSSL_free(der);
	out_field("tlsa", text);
}

void
chain_print(STACK_OF(X509) *chain)
{
	X509 *cert = sk_X509_value(chain, 0);
	char name[NAME_LEN], hash[65];

	print_key(X509_get0_pubkey(cert));
	facts_name(name, sizeof name, X509_get_subject_name(cert));
	out_field("subject", name);
	facts_name(name, sizeof name, X509_get_issuer_name(cert));
	out_field("issuer", name);
	print_names(cert);
	print_time("not_before", X509_get0_notBefore(cert));
	print_time("not_after", X509_get0_notAfter(cert));
	out_number("days", chain_days_left(cert));
	facts_fingerprint(hash, cert);
	out_field("fingerprint", hash);
	print_tlsa(cert);
	for (int i = 0; i < sk_X509_num(chain); i++) {
		facts_name(name, sizeof name, X509_get_subject_name(sk_X509_value(chain, i)));
		out_field("chain", name);
	}
}
