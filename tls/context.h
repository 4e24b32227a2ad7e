/*
 * What a server knows before a client comes: certificates and their chains, one SSL_CTX
 * for each name (RFC 6066 3), the rules of the handshake, and a key holder.
 */
#ifndef TLS_CONTEXT_H
#define TLS_CONTEXT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/conf.h"

/*
 * Nothing is compressed, of which OpenSSL 3.2 has a second kind, certificates (RFC 8879):
 * a stranger's would be unpacked before anything is known of him.
 */
#ifdef SSL_OP_NO_RX_CERTIFICATE_COMPRESSION
#define CONTEXT_NO_COMPRESSION (SSL_OP_NO_COMPRESSION | \
	SSL_OP_NO_RX_CERTIFICATE_COMPRESSION | SSL_OP_NO_TX_CERTIFICATE_COMPRESSION)
#else
#define CONTEXT_NO_COMPRESSION SSL_OP_NO_COMPRESSION
#endif

struct context_name {
	char name[LIMIT_DOMAIN + 1]; /* lower case; "" = the default one */
	SSL_CTX *ctx;
};

struct context {
	int holder;   /* control socket of the key holder */
	unsigned n;
	struct context_name at[LIMIT_TLS_NAMES];
	SSL_CTX *fallback; /* the one with name "", also in `at` */
};

/*
 * Loads what t names, starts a key holder that becomes uid and gid (0: stays who we are),
 * and makes handshakes in memory until all is warm. NULL: logged.
 */
struct context *context_load(const struct conf_tls *t, uid_t uid, gid_t gid);

/* The holder ends when those who have a channel are done. */
void context_free(struct context *c);

/* For SNI: the context of a name, the default one where there is none of that name. */
SSL_CTX *context_find(const struct context *c, const char *name);

/* The rules that every context of ours has; NULL without memory. */
SSL_CTX *context_new(void);

/* RFC 7301: true when a client's list of protocols has one for mail. */
bool is_mail_alpn(const unsigned char *list, unsigned len);

#endif
