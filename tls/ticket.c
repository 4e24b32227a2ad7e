/* See ticket.h. AES-256-CBC and HMAC-SHA256 as RFC 5077 4 recommends. */
#include "tls/ticket.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stddef.h>
#include <string.h>

#define NAME_LEN 16 /* RFC 5077 4: key_name */

struct ticket_key {
	int64_t made; /* 0: there is none */
	unsigned char name[NAME_LEN];
	unsigned char aes[32];
	unsigned char hmac[32];
};
#define SECRET offsetof(struct ticket_key, name)
#define SECRET_LEN (sizeof(struct ticket_key) - SECRET)

_Static_assert(SECRET_LEN == NAME_LEN + 32 + 32, "name, aes and hmac lie together");

static struct ticket_key newest, previous;

#define PERIOD ((int64_t)TICKET_SECONDS * 1000)

static bool
is_due(int64_t now)
{
	return newest.made == 0 || now - newest.made >= PERIOD;
}

bool
ticket_rotate(int64_t now)
{
	struct ticket_key k = { .made = now };

	if (!is_due(now))
		return true;
	if (RAND_bytes(k.name, sizeof k.name) != 1 ||
	    RAND_priv_bytes(k.aes, sizeof k.aes) != 1 ||
	    RAND_priv_bytes(k.hmac, sizeof k.hmac) != 1)
		return false;
	/* Idle for long: tickets of the newest have run out, too. */
	if (now - newest.made < 2 * PERIOD)
		previous = newest;
	else
		explicit_bzero(&previous, sizeof previous);
	newest = k;
	explicit_bzero(&k, sizeof k);
	return true;
}

/* In hexadecimal, or "". */
static void
add_key(struct packet *job, const struct ticket_key *k)
{
	char hex[2 * SECRET_LEN + 1] = "";

	if (k->made != 0)
		(void)OPENSSL_buf2hexstr_ex(hex, sizeof hex, NULL, (const unsigned char *)k + SECRET,
		                            SECRET_LEN, '\0'); /* room enough: cannot fail */
	packet_add(job, hex);
	explicit_bzero(hex, sizeof hex);
}

void
ticket_add(struct packet *job)
{
	add_key(job, &newest);
	add_key(job, &previous);
}

static bool
take_key(struct ticket_key *k, const char *hex)
{
	size_t len;

	k->made = 0;
	if (*hex == '\0')
		return true;
	if (OPENSSL_hexstr2buf_ex((unsigned char *)k + SECRET, SECRET_LEN, &len, hex, '\0') != 1 ||
	    len != SECRET_LEN)
		return false;
	k->made = 1; /* the parent counts its age */
	return true;
}

bool
ticket_take(const char *const field[TICKET_FIELDS])
{
	return take_key(&newest, field[0]) && take_key(&previous, field[1]);
}

void
ticket_forget(void)
{
	explicit_bzero(&newest, sizeof newest);
	explicit_bzero(&previous, sizeof previous);
}

static bool
set_mac(EVP_MAC_CTX *mac, struct ticket_key *k)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k->hmac, sizeof k->hmac),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

static int
seal(struct ticket_key *k, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
     EVP_MAC_CTX *mac)
{
	if (k->made == 0)
		return 0; /* no ticket: the session goes on without */
	memcpy(name, k->name, NAME_LEN);
	if (RAND_bytes(iv, 16) != 1 || !set_mac(mac, k) ||
	    EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k->aes, iv) != 1)
		return -1;
	return 1;
}

/* OpenSSL's callback: 1 go on, 2 and give the client a new ticket, 0 no such key. */
static int
on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
          EVP_MAC_CTX *mac, int sealing)
{
	struct ticket_key *k = NULL;

	(void)ssl;
	if (sealing)
		return seal(&newest, name, iv, cipher, mac);
	if (newest.made != 0 && memcmp(name, newest.name, NAME_LEN) == 0)
		k = &newest;
	else if (previous.made != 0 && memcmp(name, previous.name, NAME_LEN) == 0)
		k = &previous;
	if (k == NULL)
		return 0;
	if (!set_mac(mac, k) ||
	    EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k->aes, iv) != 1)
		return -1;
	/* RFC 8446 C.4: a ticket is used once, so TLS 1.3 gets another in any case. */
	return k == &newest ? 1 : 2;
}

bool
ticket_use(SSL_CTX *ctx)
{
	(void)SSL_CTX_set_timeout(ctx, TICKET_SECONDS); /* returns the old one */
	return SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket) == 1;
}
