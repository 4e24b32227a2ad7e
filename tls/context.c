/* See context.h. Called by the parent only, at its start and on SIGHUP. */
#include "tls/context.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/log.h"
#include "tls/chain.h"
#include "tls/facts.h"
#include "tls/holder.h"
#include "tls/remote.h"
#include "tls/ticket.h"
#include "tls/warm.h"

/* TLS 1.2: forward secrecy and AEAD only (RFC 9325 4.2); DHE would let a client burn us. */
#define CIPHERS \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define SUITES \
	"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
/* Those that sign.c knows. */
#define SIGNATURES \
	"ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA256:RSA-PSS+SHA384:" \
	"RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512"
/* Given back whenever it is empty (SSL_MODE_RELEASE_BUFFERS). */
#define READ_BUFFER 65536
#define GROUPS "X25519:P-256:P-384"

static void
log_file(const char *what, const char *file, const char *why)
{
	struct log_line l;

	log_start(&l, "error");
	log_field(&l, "what", what);
	log_field(&l, "file", file);
	if (why != NULL)
		log_field(&l, "error", why);
	log_send(&l, LOG_LEVEL_ERROR);
	ERR_clear_error();
}

/* Names of mail in the wild: Exim asks for "smtp" and "esmtp"; none is registered. */
bool
is_mail_alpn(const unsigned char *list, unsigned len)
{
	static const char *const names[] = { "smtp", "esmtp", "submission", "lmtp" };

	for (unsigned at = 0; at < len && list[at] < len - at; at += list[at] + 1U)
		for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
			if (list[at] == strlen(names[i]) &&
			    memcmp(list + at + 1, names[i], list[at]) == 0)
				return true;
	return false;
}

/*
 * ALPACA: a browser that was led here offers its own protocols only, and gets no session.
 * A client that offers one for mail gets its first such choice.
 */
static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
        const unsigned char *list, unsigned len, void *arg)
{
	(void)ssl;
	(void)arg;
	for (unsigned at = 0; at < len && list[at] < len - at; at += list[at] + 1U)
		if (is_mail_alpn(list + at, list[at] + 1U)) {
			*out = list + at + 1;
			*out_len = list[at];
			return SSL_TLSEXT_ERR_OK;
		}
	return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 3.2: no_application_protocol */
}

/* The client's certificate is a fact to report, whatever it is worth. */
static int
verify_client(X509_STORE_CTX *store, void *arg)
{
	(void)arg;
	if (X509_verify_cert(store) != 1 && X509_STORE_CTX_get_error(store) == X509_V_OK)
		X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED);
	return 1;
}

static void
set_groups(SSL_CTX *ctx)
{
	/*
	 * Libraries before 3.5 do not know the hybrid one (draft-ietf-tls-ecdhe-mlkem). The
	 * slash: a client that knows it is asked for it, though it has begun with another.
	 */
	if (SSL_CTX_set1_groups_list(ctx, "X25519MLKEM768 / " GROUPS) != 1)
		(void)SSL_CTX_set1_groups_list(ctx, GROUPS); /* else the defaults stay */
	ERR_clear_error();
}

SSL_CTX *
context_new(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL)
		return NULL;
	(void)SSL_CTX_set_options(ctx, CONTEXT_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
	                          SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
	                          /* A cut is an end; what it means is for SMTP to say. */
	                          SSL_OP_IGNORE_UNEXPECTED_EOF);
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
	                       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
	                       SSL_MODE_ENABLE_PARTIAL_WRITE);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets only */
	SSL_CTX_set_read_ahead(ctx, 1); /* fewer reads, of several records */
	SSL_CTX_set_default_read_buffer_len(ctx, READ_BUFFER);
	set_groups(ctx);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	/*
	 * One ticket: mail clients rarely open several connections at once. Sessions of
	 * another service's context are not ours (with client certificates that matters).
	 */
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, CIPHERS) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx, SUITES) != 1 ||
	    SSL_CTX_set1_sigalgs_list(ctx, SIGNATURES) != 1 ||
	    SSL_CTX_set_num_tickets(ctx, 1) != 1 ||
	    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"postern", 7) != 1 ||
	    !ticket_use(ctx) || !facts_use_tickets(ctx)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

SSL_CTX *
context_find(const struct context *c, const char *name)
{
	for (unsigned i = 0; i < c->n; i++)
		if (c->at[i].name[0] != '\0' && strcasecmp(c->at[i].name, name) == 0)
			return c->at[i].ctx;
	return c->fallback;
}

/* RFC 6066 3: an unknown name is no error; the client judges what it gets. */
static int
on_name(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	if (name != NULL)
		(void)SSL_set_SSL_CTX(ssl, context_find(arg, name));
	return SSL_TLSEXT_ERR_OK;
}

static bool
is_key_of(X509 *cert, const unsigned char hash[HOLDER_HASH])
{
	unsigned char own[HOLDER_HASH], *der = NULL;
	int len = i2d_PUBKEY(X509_get0_pubkey(cert), &der);
	bool same = len > 0 &&
	            EVP_Digest(der, (size_t)len, own, NULL, EVP_sha256(), NULL) == 1 &&
	            memcmp(own, hash, sizeof own) == 0;

	OPENSSL_free(der);
	return same;
}

static bool
use_certificate(SSL_CTX *ctx, const char *file, unsigned number,
                const unsigned char hash[HOLDER_HASH])
{
	const char *why = NULL;
	STACK_OF(X509) *chain = chain_read(file, &why);
	EVP_PKEY *key = NULL;
	X509 *cert;

	if (chain == NULL) {
		log_file("the certificate cannot be read", file, why);
		return false;
	}
	why = NULL;
	cert = sk_X509_shift(chain);
	if (!is_key_of(cert, hash))
		why = "its key is not the one in the file of the same place in tls-key";
	else if ((key = remote_key(cert, number)) == NULL)
		why = "expected a certificate for an RSA or ECDSA key";
	else if (SSL_CTX_use_cert_and_key(ctx, cert, key, chain, 1) != 1)
		why = ERR_reason_error_string(ERR_peek_error());
	if (why != NULL)
		log_file("the certificate cannot be used", file, why);
	EVP_PKEY_free(key);
	X509_free(cert);
	sk_X509_pop_free(chain, X509_free);
	return why == NULL;
}

static bool
use_client_ca(SSL_CTX *ctx, const char *file)
{
	STACK_OF(X509_NAME) *names;

	if (file[0] == '\0')
		return true;
	names = SSL_load_client_CA_file(file);
	if (names == NULL || SSL_CTX_load_verify_file(ctx, file) != 1) {
		log_file("tls-client-ca cannot be used", file, "expected certificates in PEM form");
		return false;
	}
	SSL_CTX_set_client_CA_list(ctx, names); /* owns them now */
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, verify_client, NULL);
	return true;
}

/* One name's certificates. Keys are numbered in the order of all names. */
static bool
load_name(struct context *c, const struct conf_tls *t, unsigned i, unsigned first,
          unsigned char (*hashes)[HOLDER_HASH])
{
	const struct conf_identity *id = &t->at[i];
	SSL_CTX *ctx = context_new();

	if (ctx == NULL) {
		log_error("out of memory", 0);
		return false;
	}
	c->at[c->n].ctx = ctx;
	(void)text_copy(c->at[c->n++].name, sizeof c->at[0].name, id->name);
	if (id->name[0] == '\0')
		c->fallback = ctx;
	(void)SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
	(void)SSL_CTX_set_tlsext_servername_arg(ctx, c);
	for (unsigned k = 0; k < id->certs; k++)
		if (!use_certificate(ctx, id->cert[k], first + k, hashes[first + k]))
			return false;
	return use_client_ca(ctx, t->client_ca);
}

static bool
start_holder(struct context *c, const struct conf_tls *t, uid_t uid, gid_t gid,
             unsigned char (*hashes)[HOLDER_HASH])
{
	struct holder_setup setup = { .uid = uid, .gid = gid };

	for (unsigned i = 0; i < t->n; i++)
		for (unsigned k = 0; k < t->at[i].keys; k++)
			setup.file[setup.n++] = t->at[i].key[k];
	c->holder = holder_start(&setup, hashes);
	return c->holder != -1;
}

struct context *
context_load(const struct conf_tls *t, uid_t uid, gid_t gid)
{
	unsigned char hashes[SIGN_KEYS][HOLDER_HASH];
	struct context *c = calloc(1, sizeof *c);
	unsigned first = 0;
	bool good = true;

	if (c == NULL) {
		log_error("out of memory", 0);
		return NULL;
	}
	/* First: what is forked here has seen no key, and this process never will. */
	if (start_holder(c, t, uid, gid, hashes)) {
		for (unsigned i = 0; i < t->n && good; i++) {
			good = load_name(c, t, i, first, hashes);
			first += t->at[i].certs;
		}
		if (good && warm_up(c))
			return c;
	}
	context_free(c);
	return NULL;
}

void
context_free(struct context *c)
{
	for (unsigned i = 0; i < c->n; i++)
		SSL_CTX_free(c->at[i].ctx);
	if (c->holder > 0)
		(void)close(c->holder);
	free(c);
}
