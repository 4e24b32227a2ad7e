/* See warm.h. The parent talks to itself; its client accepts any certificate. */
#include "tls/warm.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include "base/log.h"
#include "tls/context.h"
#include "tls/holder.h"
#include "tls/remote.h"

#define ROUNDS 20 /* flights of a handshake, with room to spare */

struct talk {
	SSL *server, *client;
};

static void
talk_free(struct talk *t)
{
	SSL_free(t->server);
	SSL_free(t->client);
	t->server = t->client = NULL;
}

static bool
talk_start(struct talk *t, SSL_CTX *server, SSL_CTX *client)
{
	BIO *a, *b;

	t->server = SSL_new(server);
	t->client = SSL_new(client);
	if (t->server == NULL || t->client == NULL || BIO_new_bio_pair(&a, 0, &b, 0) != 1)
		return false;
	SSL_set_bio(t->server, a, a);
	SSL_set_bio(t->client, b, b);
	SSL_set_accept_state(t->server);
	SSL_set_connect_state(t->client);
	return true;
}

/* The handshake, then some octets each way (which brings the client its ticket). */
static bool
talk_run(const struct talk *t)
{
	char buf[64];
	int done = 0;

	for (int i = 0; i < ROUNDS && done != 2; i++)
		done = (SSL_do_handshake(t->client) == 1) + (SSL_do_handshake(t->server) == 1);
	return done == 2 && SSL_write(t->server, "220 ", 4) == 4 &&
	       SSL_read(t->client, buf, sizeof buf) == 4 &&
	       SSL_write(t->client, "EHLO", 4) == 4 &&
	       SSL_read(t->server, buf, sizeof buf) == 4;
}

/* One handshake with a signature of its own, and one that resumes it. */
static bool
talk_twice(const struct context *c, SSL_CTX *server, SSL_CTX *client)
{
	struct talk t = { NULL, NULL };
	SSL_SESSION *session = NULL;
	int channel = holder_channel(c->holder);
	bool good;

	remote_use(channel);
	good = talk_start(&t, server, client) && talk_run(&t);
	if (good)
		session = SSL_get1_session(t.client);
	(void)SSL_shutdown(t.client); /* or the session would not be one to resume */
	talk_free(&t);
	good = good && talk_start(&t, server, client) &&
	       SSL_set_session(t.client, session) == 1 && talk_run(&t) &&
	       SSL_session_reused(t.client) == 1;
	talk_free(&t);
	SSL_SESSION_free(session);
	remote_use(-1);
	if (channel != -1)
		(void)close(channel);
	return good;
}

static bool
warm_version(const struct context *c, SSL_CTX *server, bool rsa, int version)
{
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());
	bool good = client != NULL &&
	            SSL_CTX_set_min_proto_version(client, version) == 1 &&
	            SSL_CTX_set_max_proto_version(client, version) == 1 &&
	            SSL_CTX_set1_sigalgs_list(client, rsa ?
	                    "RSA-PSS+SHA256:RSA+SHA256" :
	                    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512") == 1 &&
	            talk_twice(c, server, client);

	SSL_CTX_free(client);
	return good;
}

/* Each certificate of one name. */
static bool
warm_name(const struct context *c, const struct context_name *name)
{
	long more = SSL_CTX_set_current_cert(name->ctx, SSL_CERT_SET_FIRST);

	for (; more == 1; more = SSL_CTX_set_current_cert(name->ctx, SSL_CERT_SET_NEXT)) {
		const EVP_PKEY *key = X509_get0_pubkey(SSL_CTX_get0_certificate(name->ctx));
		bool rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;

		/* The newer one last: what it leaves in malloc's lists fits best. */
		if (!warm_version(c, name->ctx, rsa, TLS1_2_VERSION) ||
		    !warm_version(c, name->ctx, rsa, TLS1_3_VERSION))
			return false;
	}
	return true;
}

bool
warm_up(const struct context *c)
{
	for (unsigned i = 0; i < c->n; i++) {
		const char *why;
		struct log_line l;

		if (warm_name(c, &c->at[i]))
			continue;
		why = ERR_reason_error_string(ERR_peek_error());
		log_start(&l, "error");
		log_field(&l, "what", "a handshake with a certificate of ours fails");
		log_field(&l, "name", c->at[i].name);
		log_field(&l, "error", why != NULL ? why : "no session");
		log_send(&l, LOG_LEVEL_ERROR);
		ERR_clear_error();
		return false;
	}
	ERR_clear_error();
	return true;
}
