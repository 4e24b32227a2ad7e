/*
 * See client.h. Sessions are not resumed: a ticket would bind what was verified once to
 * another connection, and some servers in use fail on tickets.
 */
#include "tls/client.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/ca.h"
#include "base/ip.h"
#include "base/log.h"
#include "tls/context.h"
#include "tls/heap.h"

/* Fields of TLS_CONNECT. */
enum { SESSION, PEER, NAMES, VERIFY, RECORDS };

/* 112 bits of strength where somebody is to be recognized, else what is better than none. */
enum { LEVEL_ANY = 1, LEVEL_NAME = 2 };

static char ca[LIMIT_FILE];       /* "" = there is none */
static SSL_CTX *plain, *verifying; /* without and with the authorities' certificates */
static bool is_ready;

bool
client_start(const struct conf *c)
{
	const char *file = ca_file(c);

	if (!text_copy(ca, sizeof ca, file != NULL ? file : ""))
		return false;
	if (is_ready)
		client_prepare();
	return true;
}

static SSL_CTX *
make(bool authorities)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL)
		return NULL;
	(void)SSL_CTX_set_options(ctx, CONTEXT_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
	                          SSL_OP_NO_TICKET |
	                          /* A cut is an end; what it means is for SMTP to say. */
	                          SSL_OP_IGNORE_UNEXPECTED_EOF);
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
	                       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
	                       SSL_MODE_ENABLE_PARTIAL_WRITE);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_read_ahead(ctx, 1); /* fewer reads */
	/* RFC 8996. Ciphers are OpenSSL's choice: a server may have old ones only. */
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
	    SSL_CTX_dane_enable(ctx) > 0 &&
	    (!authorities || SSL_CTX_load_verify_file(ctx, ca) == 1))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

void
client_prepare(void)
{
	heap_open();
	SSL_CTX_free(plain);
	SSL_CTX_free(verifying);
	plain = make(false);
	verifying = ca[0] != '\0' ? make(true) : NULL;
	heap_seal();
	if (ca[0] != '\0' && verifying == NULL)
		log_error(ca, 0); /* who needs it fails */
	is_ready = true;
	ERR_clear_error();
}

bool
client_is_ready(void)
{
	return is_ready;
}

static const char *const words[] = { "none", "try", "name", "dane" };
enum verify { VERIFY_NONE, VERIFY_TRY, VERIFY_NAME, VERIFY_DANE, N_VERIFY };

static enum verify
parse_verify(const char *s)
{
	int i = 0;

	while (i < N_VERIFY && strcmp(s, words[i]) != 0)
		i++;
	return (enum verify)i;
}

bool
is_client_request(const struct packet *p)
{
	enum verify v;

	if (p->letter != TLS_CONNECT || p->n < RECORDS || p->fd[1] == -1)
		return false;
	v = parse_verify(p->field[VERIFY]);
	return v != N_VERIFY && (v == VERIFY_DANE || p->n == RECORDS);
}

/* The next of the names, which are separated by blanks; false at the end. */
static bool
next_name(const char **s, char name[LIMIT_DOMAIN + 1])
{
	size_t len;

	*s += strspn(*s, " ");
	len = strcspn(*s, " ");
	if (len == 0 || len > LIMIT_DOMAIN)
		return false;
	memcpy(name, *s, len);
	name[len] = '\0';
	*s += len;
	return true;
}

static bool
is_address(const char *s)
{
	struct ip ip;

	return parse_ip(s, &ip);
}

/* Names that will do in a certificate; the address where there is none, or it is the name. */
static bool
set_names(SSL *ssl, const struct packet *p)
{
	const char *s = p->field[NAMES];
	char name[LIMIT_DOMAIN + 1];

	if (!next_name(&s, name) || is_address(name))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), p->field[PEER]) == 1;
	do
		if (SSL_add1_host(ssl, name) != 1)
			return false;
	while (next_name(&s, name));
	return true;
}

/* "usage selector matching-type hex": 1 taken, 0 of no use, -1 an error. */
static int
add_record(SSL *ssl, const char *s)
{
	unsigned char data[LIMIT_TLSA_TEXT / 2];
	size_t len = 0;

	for (int i = 0; i < 6; i++)
		if (i % 2 == 0 ? s[i] < '0' || s[i] > '9' : s[i] != ' ')
			return 0;
	for (const char *hex = s + 6; *hex != '\0'; hex += 2) {
		int high = OPENSSL_hexchar2int((unsigned char)hex[0]);
		int low = high < 0 ? -1 : OPENSSL_hexchar2int((unsigned char)hex[1]);

		if (low < 0 || len == sizeof data)
			return 0;
		data[len++] = (unsigned char)(high << 4 | low);
	}
	return SSL_dane_tlsa_add(ssl, (uint8_t)(s[0] - '0'), (uint8_t)(s[2] - '0'),
	                         (uint8_t)(s[4] - '0'), data, len);
}

static bool
set_dane(SSL *ssl, const struct packet *p, const char **why)
{
	const char *s = p->field[NAMES];
	char name[LIMIT_DOMAIN + 1];
	int usable = 0;

	*why = "DANE cannot be set up";
	if (!next_name(&s, name) || SSL_dane_enable(ssl, name) != 1)
		return false;
	/* RFC 7672 3.1.1: the key is the proof, whatever name and dates stand beside it. */
	(void)SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	while (next_name(&s, name))
		if (SSL_add1_host(ssl, name) != 1)
			return false;
	for (unsigned i = RECORDS; i < p->n; i++) {
		int r = add_record(ssl, p->field[i]);

		if (r == -1)
			return false;
		usable += r;
	}
	*why = "no usable TLSA record";
	return usable > 0;
}

/* RFC 6066 3: a host name, no address. */
static bool
set_sni(SSL *ssl, const struct packet *p)
{
	const char *s = p->field[NAMES];
	char name[LIMIT_DOMAIN + 1];

	return !next_name(&s, name) || is_address(name) ||
	       SSL_set_tlsext_host_name(ssl, name) == 1;
}

static bool
set_rules(SSL *ssl, const struct packet *p, enum verify verify, const char **why)
{
	bool must = verify == VERIFY_NAME || verify == VERIFY_DANE;

	*why = "the handshake cannot be set up";
	SSL_set_connect_state(ssl);
	SSL_set_security_level(ssl, verify == VERIFY_NAME ? LEVEL_NAME : LEVEL_ANY);
	SSL_set_verify(ssl, must ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	if (verify == VERIFY_NONE) /* RFC 5746 4.1: better than no TLS at all */
		(void)SSL_set_options(ssl, SSL_OP_LEGACY_SERVER_CONNECT);
	if (!set_sni(ssl, p))
		return false;
	if (verify == VERIFY_DANE)
		return set_dane(ssl, p, why);
	/* RFC 8461 4.1, RFC 9525 6.3: names stand in subjectAltName, stars for whole labels. */
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
	                  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return verify == VERIFY_NONE || set_names(ssl, p);
}

SSL *
client_new(const struct packet *p, const char **why)
{
	enum verify verify = parse_verify(p->field[VERIFY]);
	bool authorities = verify == VERIFY_TRY || verify == VERIFY_NAME;
	SSL_CTX *ctx;
	SSL *ssl;

	*why = "no certificates of authorities";
	if (authorities && ca[0] == '\0' && verify == VERIFY_NAME) {
		log_error("no certificates of authorities: set tls-ca", 0);
		return NULL;
	}
	ctx = authorities && ca[0] != '\0' ? verifying : plain;
	if (ctx == NULL) {
		log_error(authorities ? ca : "a handshake cannot be set up", 0);
		return NULL;
	}
	ssl = SSL_new(ctx);
	*why = "out of memory";
	if (ssl != NULL && set_rules(ssl, p, verify, why))
		return ssl;
	SSL_free(ssl);
	return NULL;
}

bool
client_verified(SSL *ssl, const struct packet *p)
{
	enum verify verify = parse_verify(p->field[VERIFY]);

	if (verify == VERIFY_NONE || SSL_get0_peer_certificate(ssl) == NULL ||
	    SSL_get_verify_result(ssl) != X509_V_OK)
		return false;
	return verify != VERIFY_DANE || SSL_get0_dane_authority(ssl, NULL, NULL) >= 0;
}
