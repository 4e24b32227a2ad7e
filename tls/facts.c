/* See facts.h. What a client wrote is checked here and never interpreted. */
#include "tls/facts.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/text.h"

#define EXPORTER "EXPORTER-Channel-Binding" /* RFC 9266 */
#define EXPORTER_LEN 32

/* Printable ASCII without blanks. */
static bool
is_safe(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] <= ' ' || s[i] > '~')
			return false;
	return true;
}

static void
copy(char *out, size_t cap, const char *s)
{
	(void)text_copy(out, cap, s != NULL ? s : ""); /* too long: "" */
}

void
facts_name(char *out, size_t cap, const X509_NAME *name)
{
	BIO *mem = BIO_new(BIO_s_mem());
	char *data;
	long len;

	out[0] = '\0';
	/* XN_FLAG_RFC2253 escapes control characters and what is no ASCII. */
	if (mem != NULL && X509_NAME_print_ex(mem, name, 0, XN_FLAG_RFC2253) >= 0) {
		len = BIO_get_mem_data(mem, &data);
		if (len > 0 && (size_t)len < cap) {
			memcpy(out, data, (size_t)len);
			out[len] = '\0';
		}
	}
	BIO_free(mem);
	for (char *c = out; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?'; /* can't be, but a client wrote it */
}

void
facts_fingerprint(char out[65], const X509 *cert)
{
	unsigned char hash[32];
	struct text t;

	text_init(&t, out, 65);
	if (X509_digest(cert, EVP_sha256(), hash, NULL) == 1)
		for (size_t i = 0; i < sizeof hash; i++)
			text_addx(&t, hash[i], 2);
}

void
facts_endpoint(char out[96], const X509 *cert)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned len;
	int md;

	out[0] = '\0';
	/* A signature scheme with no single hash (Ed25519, PSS) leaves it undefined. */
	if (OBJ_find_sigid_algs(X509_get_signature_nid(cert), &md, NULL) != 1 || md == NID_undef)
		return;
	if (md == NID_md5 || md == NID_sha1)
		md = NID_sha256;
	if (X509_digest(cert, EVP_get_digestbynid(md), hash, &len) == 1)
		(void)EVP_EncodeBlock((unsigned char *)out, hash, (int)len); /* 64 octets: 88 */
}

/*
 * tls-exporter binds the handshake only where the master secret does: TLS 1.3, or 1.2 with
 * the extended master secret. Without a context, as clients in use compute it.
 */
static void
read_exporter(char out[48], SSL *ssl)
{
	unsigned char value[EXPORTER_LEN];

	out[0] = '\0';
	if (SSL_version(ssl) < TLS1_3_VERSION && SSL_get_extms_support(ssl) != 1)
		return;
	if (SSL_export_keying_material(ssl, value, sizeof value, EXPORTER, strlen(EXPORTER),
	                               NULL, 0, 0) == 1)
		(void)EVP_EncodeBlock((unsigned char *)out, value, sizeof value); /* 44 octets */
	explicit_bzero(value, sizeof value);
}

/* A resumed session saw its certificate earlier, perhaps another one: the ticket knows. */
static void
read_endpoint(char out[96], SSL *ssl)
{
	const X509 *cert = SSL_get_certificate(ssl);
	void *data;
	size_t len;

	out[0] = '\0';
	if (SSL_session_reused(ssl) != 1) {
		if (cert != NULL)
			facts_endpoint(out, cert);
	} else if (SSL_SESSION_get0_ticket_appdata(SSL_get_session(ssl), &data, &len) == 1 &&
	           len < 96 && is_safe(data, len)) {
		memcpy(out, data, len);
		out[len] = '\0';
	}
}

static int
on_new_ticket(SSL *ssl, void *arg)
{
	char endpoint[96];

	(void)arg;
	read_endpoint(endpoint, ssl);
	return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), endpoint, strlen(endpoint));
}

/* What OpenSSL would do by itself. */
static SSL_TICKET_RETURN
on_old_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t len,
              SSL_TICKET_STATUS status, void *arg)
{
	(void)ssl;
	(void)session;
	(void)name;
	(void)len;
	(void)arg;
	switch (status) {
	case SSL_TICKET_SUCCESS:
		return SSL_TICKET_RETURN_USE;
	case SSL_TICKET_SUCCESS_RENEW:
		return SSL_TICKET_RETURN_USE_RENEW;
	case SSL_TICKET_EMPTY:
	case SSL_TICKET_NO_DECRYPT:
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	default:
		return SSL_TICKET_RETURN_IGNORE;
	}
}

bool
facts_use_tickets(SSL_CTX *ctx)
{
	return SSL_CTX_set_session_ticket_cb(ctx, on_new_ticket, on_old_ticket, NULL) == 1;
}

/* The first rfc822Name; only the certificates of tls-client-ca give it a meaning. */
static void
read_email(char *out, size_t cap, X509 *cert)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

	out[0] = '\0';
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);
		const char *s;
		size_t len;

		if (n->type != GEN_EMAIL)
			continue;
		s = (const char *)ASN1_STRING_get0_data(n->d.rfc822Name);
		len = (size_t)ASN1_STRING_length(n->d.rfc822Name);
		/* A NUL within would make it another address. */
		if (len < cap && is_safe(s, len)) {
			memcpy(out, s, len);
			out[len] = '\0';
		}
		break;
	}
	GENERAL_NAMES_free(names);
}

static void
read_client(struct tls_facts *f, SSL *ssl)
{
	X509 *cert = SSL_get0_peer_certificate(ssl);

	if (cert == NULL)
		return;
	if (SSL_get_verify_result(ssl) == X509_V_OK)
		copy(f->verified, sizeof f->verified, "yes");
	facts_name(f->subject, sizeof f->subject, X509_get_subject_name(cert));
	read_email(f->email, sizeof f->email, cert);
	facts_fingerprint(f->fingerprint, cert);
}

static const char *
group_name(SSL *ssl)
{
#if OPENSSL_VERSION_NUMBER >= 0x30200000L
	return SSL_get0_group_name(ssl);
#else
	return SSL_group_to_name(ssl, (int)SSL_get_negotiated_group(ssl));
#endif
}

/* What both sides see alike. */
static void
read_common(struct tls_facts *f, SSL *ssl)
{
	const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	memset(f, 0, sizeof *f);
	copy(f->version, sizeof f->version, SSL_get_version(ssl));
	copy(f->cipher, sizeof f->cipher, SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl)));
	copy(f->group, sizeof f->group, group_name(ssl));
	if (sni != NULL && is_safe(sni, strlen(sni)))
		copy(f->sni, sizeof f->sni, sni);
	copy(f->resumed, sizeof f->resumed, SSL_session_reused(ssl) == 1 ? "yes" : "");
	read_exporter(f->exporter, ssl);
}

void
facts_read(struct tls_facts *f, SSL *ssl)
{
	read_common(f, ssl);
	read_client(f, ssl);
	read_endpoint(f->endpoint, ssl);
	ERR_clear_error(); /* what is not there has left its mark */
}

void
facts_read_server(struct tls_facts *f, SSL *ssl, bool verified)
{
	const X509 *cert = SSL_get0_peer_certificate(ssl);

	read_common(f, ssl);
	copy(f->verified, sizeof f->verified, verified ? "yes" : "");
	if (cert != NULL) {
		facts_name(f->subject, sizeof f->subject, X509_get_subject_name(cert));
		facts_fingerprint(f->fingerprint, cert);
		facts_endpoint(f->endpoint, cert);
	}
	ERR_clear_error();
}

void
facts_packet(struct packet *p, const struct tls_facts *f)
{
	packet_start(p, TLS_UP);
	packet_add(p, f->version);
	packet_add(p, f->cipher);
	packet_add(p, f->group);
	packet_add(p, f->sni);
	packet_add(p, f->resumed);
	packet_add(p, f->verified);
	packet_add(p, f->subject);
	packet_add(p, f->email);
	packet_add(p, f->fingerprint);
	packet_add(p, f->exporter);
	packet_add(p, f->endpoint);
}
