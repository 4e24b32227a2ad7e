/*
 * What a handshake costs the library, without processes and network: the server side of
 * TLS 1.3 with the settings of tls, full and resumed, client and server in one process over
 * memory. tlslib CERT KEY COUNT prints one line of key=value: microseconds of a server's
 * calls, the key holder's signature among them, and of all (the client's, too).
 */
#include <err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/log.h"
#include "tls/context.h"
#include "tls/holder.h"
#include "tls/remote.h"
#include "tls/ticket.h"

#define TURNS 10

struct cost {
	double server, all; /* seconds */
};

static struct context *context;
static SSL_CTX *client;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
connect_both(SSL *s, SSL *c)
{
	BIO *a, *b;

	if (BIO_new_bio_pair(&a, 0, &b, 0) != 1)
		errx(1, "no memory");
	SSL_set_bio(s, a, a);
	SSL_set_bio(c, b, b);
	SSL_set_accept_state(s);
	SSL_set_connect_state(c);
}

/* One handshake; the ticket comes with the first octets. The client's session. */
static SSL_SESSION *
shake_hands(SSL_SESSION *old, struct cost *cost)
{
	double begun = now(), server = 0, at;
	int channel = holder_channel(context->holder);
	SSL *s = SSL_new(context->fallback), *c = SSL_new(client);
	SSL_SESSION *session;
	char buf[4];
	int done = 0;

	if (s == NULL || c == NULL || channel == -1)
		errx(1, "cannot begin");
	remote_use(channel);
	connect_both(s, c);
	if (old != NULL && SSL_set_session(c, old) != 1)
		errx(1, "no session");
	for (int i = 0; i < TURNS && done != 2; i++) {
		done = SSL_do_handshake(c) == 1;
		at = now();
		done += SSL_do_handshake(s) == 1;
		server += now() - at;
	}
	if (done != 2 || SSL_write(s, "220 ", 4) != 4 || SSL_read(c, buf, 4) != 4 ||
	    SSL_session_reused(c) != (old != NULL))
		errx(1, "the handshake failed");
	cost->server += server;
	cost->all += now() - begun;
	session = SSL_get1_session(c);
	(void)SSL_shutdown(c); /* or the session would not be one to resume */
	SSL_free(s);
	SSL_free(c);
	(void)close(channel);
	return session;
}

static void
set_up(const char *cert, const char *key)
{
	static struct conf_tls files;

	files.n = 1;
	files.at[0].certs = files.at[0].keys = 1;
	if (!text_copy(files.at[0].cert[0], LIMIT_FILE, cert) ||
	    !text_copy(files.at[0].key[0], LIMIT_FILE, key) || !ticket_rotate(1))
		errx(1, "cannot begin");
	context = context_load(&files, 0, 0);
	client = SSL_CTX_new(TLS_client_method());
	if (context == NULL || client == NULL)
		errx(1, "no context");
	(void)SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_OFF);
}

int
main(int argc, char **argv)
{
	struct cost full = { 0, 0 }, resumed = { 0, 0 };
	double count = argc == 4 ? atof(argv[3]) : 0;

	if (count < 1)
		errx(2, "usage: tlslib CERT KEY COUNT");
	log_open("tlslib");
	set_up(argv[1], argv[2]);
	for (int i = 0; i < (int)count; i++) {
		SSL_SESSION *first = shake_hands(NULL, &full);
		SSL_SESSION *second = shake_hands(first, &resumed);

		SSL_SESSION_free(first);
		SSL_SESSION_free(second);
	}
	printf("full_us=%.0f resumed_us=%.0f full_all_us=%.0f resumed_all_us=%.0f ratio=%.2f\n",
	       full.server / count * 1e6, resumed.server / count * 1e6, full.all / count * 1e6,
	       resumed.all / count * 1e6, full.server / resumed.server);
	return 0;
}
