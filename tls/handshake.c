/* See handshake.h. Everything that is read here comes from a stranger. */
#include "tls/handshake.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

/* OpenSSL has one slot for data of ours in every SSL. */
static void
on_info(const SSL *ssl, int where, int value)
{
	struct handshake *h = SSL_get_app_data(ssl);
	struct text t;

	if ((where & SSL_CB_ALERT) == 0 || h == NULL || h->alert[0] != '\0' ||
	    (value & 0xff) == SSL_AD_CLOSE_NOTIFY)
		return;
	text_init(&t, h->alert, sizeof h->alert);
	text_add(&t, (where & SSL_CB_READ) != 0 ? "received " : "sent ");
	text_add(&t, SSL_alert_desc_string_long(value));
}

/* Waits for the client. False: too late, or nobody wants the connection any more. */
static bool
wait_for(struct handshake *h, short events)
{
	struct pollfd p[2] = { { h->conn, events, 0 }, { h->asker, POLLIN, 0 } };
	int64_t left = h->deadline - clock_ms();
	int n;

	do
		n = left > 0 ? poll(p, 2, (int)left) : 0;
	while (n == -1 && errno == EINTR);
	if (n == 0)
		(void)text_copy(h->reason, sizeof h->reason, "timeout");
	return n > 0 && p[1].revents == 0;
}

/* OpenSSL's words are the same in every release of a kind: good enough to search for. */
static void
find_reason(struct handshake *h, int error)
{
	const char *why = ERR_reason_error_string(ERR_peek_error());
	long verify = SSL_get_verify_result(h->ssl);
	struct text t;

	if (ERR_peek_error() == 0)
		why = error == SSL_ERROR_SYSCALL && errno != 0 ? strerror(errno) : "closed";
	else if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		why = "closed";
	text_init(&t, h->reason, sizeof h->reason);
	text_add(&t, why != NULL ? why : "unknown");
	if (verify != X509_V_OK && SSL_is_server(h->ssl) == 0 &&
	    ERR_GET_REASON(ERR_peek_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
		text_add(&t, ": ");
		text_add(&t, X509_verify_cert_error_string(verify));
	}
	ERR_clear_error();
}

bool
handshake_run(struct handshake *h)
{
	h->reason[0] = h->alert[0] = '\0';
	(void)SSL_set_app_data(h->ssl, h);
	SSL_set_info_callback(h->ssl, on_info);
	for (;;) {
		int r, error;

		errno = 0;
		r = SSL_do_handshake(h->ssl);
		if (r == 1)
			break;
		error = SSL_get_error(h->ssl, r);
		if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
			find_reason(h, error);
			return false;
		}
		if (!wait_for(h, error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT))
			return false;
	}
	SSL_set_info_callback(h->ssl, NULL);
	return true;
}
