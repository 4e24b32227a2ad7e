/* See examine.h. */
#include "tls/examine.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "tls/chain.h"
#include "tls/out.h"
#include "tls/sign.h"

#define ERROR "error"
#define WARNING "warning"
#define EXPIRES_DAYS 21 /* by then an automatic renewal should have come twice */
#define RENEW "renew it, put the new file there, and reload: systemctl reload postern-tls"

void
examine_show(const struct conf_tls *t)
{
	for (unsigned i = 0; i < t->n; i++)
		for (unsigned k = 0; k < t->at[i].certs; k++) {
			const char *why;
			STACK_OF(X509) *chain = chain_read(t->at[i].cert[k], &why);

			out_field("name", t->at[i].name);
			out_field("file", t->at[i].cert[k]);
			out_field("key_file", t->at[i].key[k]);
			if (chain != NULL)
				chain_print(chain);
			else
				out_field("error", why);
			out_end();
			sk_X509_pop_free(chain, X509_free);
		}
}

static void
check_dates(const char *file, const X509 *cert)
{
	int days = chain_days_left(cert);
	char problem[80];

	if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
		out_finding(ERROR, file, "it is not valid yet", "look at this host's clock, or at "
		            "the certificate: postern tls show");
	if (days < 0) {
		out_finding(ERROR, file, "it has expired", RENEW);
	} else if (days <= EXPIRES_DAYS) {
		(void)snprintf(problem, sizeof problem, "it expires in %d days", days);
		out_finding(WARNING, file, problem, RENEW);
	}
}

static void
check_name(const char *file, X509 *cert, const char *name)
{
	char problem[LIMIT_DOMAIN + 64];

	if (X509_check_host(cert, name, 0, 0, NULL) == 1)
		return;
	(void)snprintf(problem, sizeof problem, "it is not for the name %s", name);
	out_finding(ERROR, file, problem, "get one that has the name among its names, or "
	            "correct the name in the configuration");
}

static void
check_order(const char *file, STACK_OF(X509) *chain)
{
	for (int i = 1; i < sk_X509_num(chain); i++)
		if (X509_check_issued(sk_X509_value(chain, i), sk_X509_value(chain, i - 1)) !=
		    X509_V_OK) {
			out_finding(ERROR, file, "its certificates are not in order",
			            "put this host's own first, and behind each the one that issued it");
			return;
		}
}

/* As a client that trusts what this host trusts. */
static void
check_trust(const char *file, STACK_OF(X509) *chain)
{
	X509 *cert = sk_X509_value(chain, 0);
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *c = X509_STORE_CTX_new();
	int r, err = X509_V_ERR_UNSPECIFIED;

	if (X509_self_signed(cert, 1) == 1) {
		out_finding(WARNING, file, "it is self-signed: clients that check certificates "
		            "refuse it", "get one from an authority, unless clients know this one "
		            "(or its TLSA record)");
	} else if (store != NULL && c != NULL && X509_STORE_set_default_paths(store) == 1 &&
	           X509_STORE_CTX_init(c, store, cert, chain) == 1) {
		X509_STORE_CTX_set_flags(c, X509_V_FLAG_NO_CHECK_TIME); /* check_dates() did */
		r = X509_verify_cert(c);
		err = X509_STORE_CTX_get_error(c);
		if (r != 1)
			out_finding(WARNING, file, X509_verify_cert_error_string(err),
			            "the certificates that issued it belong behind it, up to one that "
			            "clients trust (not itself)");
	}
	X509_STORE_CTX_free(c);
	X509_STORE_free(store);
	ERR_clear_error();
}

static int
no_passphrase(char *buf, int size, int writing, void *unused)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)unused;
	return -1;
}

static void
check_key_mode(const char *file, const struct stat *st)
{
	if ((st->st_mode & 077) != 0)
		out_finding(ERROR, file, "others than its owner may use the key", "chmod 0600");
}

static void
check_key(const char *file, const char *cert_file, X509 *cert)
{
	FILE *f = fopen(file, "re");
	struct stat st;
	EVP_PKEY *key;

	if (f == NULL) {
		out_finding(ERROR, file, strerror(errno), "tls-key must name a file that the user "
		            "of tls may read");
		return;
	}
	if (fstat(fileno(f), &st) == 0)
		check_key_mode(file, &st);
	setbuf(f, NULL); /* no copy of the key stays behind */
	key = PEM_read_PrivateKey(f, NULL, no_passphrase, NULL);
	(void)fclose(f); /* only read */
	if (key == NULL)
		out_finding(ERROR, file, "it is no private key in PEM form, or has a passphrase",
		            "take the key that belongs to the certificate, without a passphrase");
	else if (!is_signable(key))
		out_finding(ERROR, file, "it is neither RSA of 2048 to 8192 bits nor ECDSA",
		            "get a certificate for a key of one of these kinds");
	else if (EVP_PKEY_eq(key, X509_get0_pubkey(cert)) != 1)
		out_finding(ERROR, cert_file, "it does not belong to the key in the same place of "
		            "tls-key", "name certificates and keys in one order");
	EVP_PKEY_free(key);
	ERR_clear_error();
}

static void
check_certificate(const char *file, const char *key, const char *name)
{
	const char *why;
	STACK_OF(X509) *chain = chain_read(file, &why);

	if (chain == NULL) {
		out_finding(ERROR, file, why, "tls-cert must name a file of certificates");
		return;
	}
	check_dates(file, sk_X509_value(chain, 0));
	check_name(file, sk_X509_value(chain, 0), name);
	check_order(file, chain);
	check_trust(file, chain);
	check_key(key, file, sk_X509_value(chain, 0));
	sk_X509_pop_free(chain, X509_free);
}

void
examine_check(const struct conf *c, const struct conf_tls *t)
{
	for (unsigned i = 0; i < t->n; i++) {
		const struct conf_identity *id = &t->at[i];

		for (unsigned k = 0; k < id->certs; k++)
			check_certificate(id->cert[k], id->key[k],
			                  id->name[0] != '\0' ? id->name : c->hostname);
	}
}

/* The handshake; a kind that the server lacks is no error of the program. */
static SSL *
shake_hands(SSL_CTX *ctx, int fd, const char *name, const char *kind)
{
	static const struct timeval wait = { 20, 0 };
	SSL *ssl = SSL_new(ctx);

	if (ssl != NULL && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0 &&
	    SSL_set1_sigalgs_list(ssl, strcmp(kind, "RSA") == 0 ?
	            "RSA-PSS+SHA256:RSA+SHA256" :
	            "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512") == 1 &&
	    SSL_set_tlsext_host_name(ssl, name) == 1 && SSL_set_fd(ssl, fd) == 1 &&
	    SSL_connect(ssl) == 1)
		return ssl;
	SSL_free(ssl);
	return NULL;
}

void
examine_served(int fd, const char *name, const char *kind)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method()); /* verifies nothing: it compares */
	SSL *ssl = ctx != NULL ? shake_hands(ctx, fd, name, kind) : NULL;
	STACK_OF(X509) *chain = ssl != NULL ? SSL_get_peer_cert_chain(ssl) : NULL;

	if (chain != NULL) {
		out_field("version", SSL_get_version(ssl));
		out_field("cipher", SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl)));
		chain_print(chain);
		(void)SSL_shutdown(ssl); /* polite; its failure changes nothing */
	} else {
		const char *why = ERR_reason_error_string(ERR_peek_error());

		out_field("error", why != NULL ? why : "no handshake");
	}
	out_end();
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}
