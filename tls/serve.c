/*
 * See serve.h. The order: take the descriptors, get a channel to the key holder, give up
 * everything, and only then read the client's first octet.
 */
#include "tls/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/helper.h"
#include "base/log.h"
#include "base/packet.h"
#include "tls/client.h"
#include "tls/confine.h"
#include "tls/context.h"
#include "tls/facts.h"
#include "tls/handshake.h"
#include "tls/heap.h"
#include "tls/holder.h"
#include "tls/relay.h"
#include "tls/remote.h"
#include "tls/ticket.h"

/* Who asks has the packet ready when it connects. */
#define ASK_SECONDS 10

/* Where the relay's descriptors are; all above are closed. */
enum { ASKER = 3, CONN, PLAIN, CHANNEL, N_FDS };

static _Alignas(4096) char buffers[2][RELAY_BUFFER];
/*
 * What was asked for, until the handshake is done; then our answer. One for both: its pages
 * are private memory.
 */
static struct packet packet;

/* The packet TLS_SERVE or TLS_CONNECT, and the two descriptors in fds. */
static bool
take_request(int asker, int fds[N_FDS])
{
	static const struct timeval wait = { ASK_SECONDS, 0 };

	if (setsockopt(asker, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == -1 ||
	    packet_recv(asker, &packet) != 1)
		return false;
	if (!is_client_request(&packet) &&
	    (packet.letter != TLS_SERVE || packet.n != 3 || packet.fd[1] == -1)) {
		log_error("a request that is none: closed", 0);
		packet_close_fds(&packet);
		return false;
	}
	log_context(packet.field[0], packet.letter == TLS_SERVE ? packet.field[1] : "");
	fds[ASKER] = asker;
	fds[CONN] = packet.fd[0];
	fds[PLAIN] = packet.fd[1];
	fds[CHANNEL] = -1;
	return true;
}

/* Moves fds to their numbers, first out of the way of one another. */
static bool
place(int fds[N_FDS])
{
	for (int i = ASKER; i < N_FDS; i++)
		if (fds[i] != -1 && (fds[i] = fcntl(fds[i], F_DUPFD, N_FDS)) == -1)
			return false;
	for (int i = ASKER; i < N_FDS; i++) {
		if (fds[i] == -1)
			(void)close(i); /* a client needs no key holder; what was there goes */
		else if (dup2(fds[i], i) == -1)
			return false;
	}
	return fcntl(CONN, F_SETFL, O_NONBLOCK) == 0 && fcntl(PLAIN, F_SETFL, O_NONBLOCK) == 0;
}

static void
prepare(void)
{
	static const int on = 1;

	(void)prctl(PR_SET_NAME, "tls-relay", 0, 0, 0); /* for ps; a valid name */
	/* Records go out when they are whole; no TCP, no harm. */
	(void)setsockopt(CONN, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* Both log first: what the asker does next may be the last of this connection. */
static void
tell_failure(const struct handshake *h)
{
	struct log_line l;

	if (h->reason[0] != '\0') { /* else nobody waits any more */
		log_start(&l, "tls-failed");
		if (packet.letter == TLS_CONNECT) {
			log_field(&l, "peer", packet.field[1]);
			log_field(&l, "host", packet.field[2]);
		}
		log_field(&l, "reason", h->reason);
		if (h->alert[0] != '\0')
			log_field(&l, "alert", h->alert);
		log_send(&l, LOG_LEVEL_WARNING);
	}
	packet_start(&packet, TLS_FAILED);
	packet_add(&packet, h->reason);
	(void)packet_send(ASKER, &packet, -1); /* gone: nobody to tell */
}

static bool
tell_facts(SSL *ssl)
{
	struct tls_facts f;

	if (packet.letter == TLS_CONNECT)
		facts_read_server(&f, ssl, client_verified(ssl, &packet));
	else
		facts_read(&f, ssl);
	facts_packet(&packet, &f);
	return packet_send(ASKER, &packet, -1) == 0;
}

/* After the handshake: what it needed and nobody needs again. */
static void
forget(void)
{
	ticket_forget();
	remote_use(-1);
	(void)close(CHANNEL); /* the holder has closed it, too */
	(void)close(ASKER);   /* its answer is on its way */
}

static bool
shake_hands(SSL *ssl, unsigned seconds)
{
	struct handshake h = {
		.ssl = ssl,
		.conn = CONN,
		.asker = ASKER,
		.deadline = clock_ms() + (int64_t)seconds * 1000,
	};
	bool good = handshake_run(&h);

	(void)SSL_set_app_data(ssl, NULL);
	if (!good) {
		tell_failure(&h);
		return false;
	}
	return tell_facts(ssl);
}

/* Before anything is given up: the handshake to be, and a channel where it needs one. */
static SSL *
make_ssl(const struct context *c, int *channel, const char **why)
{
	SSL *ssl = NULL;

	*why = "no certificate is configured";
	if (packet.letter == TLS_CONNECT)
		return client_new(&packet, why);
	if (c == NULL)
		return NULL;
	*why = "the key holder cannot be asked";
	*channel = holder_channel(c->holder);
	if (*channel != -1)
		ssl = SSL_new(c->fallback);
	if (ssl != NULL)
		SSL_set_accept_state(ssl);
	return ssl;
}

/* Tells who asked, over fd; the connection is as it was. */
static int
refuse(int fd, const char *why)
{
	log_error(why, 0);
	packet_start(&packet, TLS_FAILED);
	packet_add(&packet, why);
	(void)packet_send(fd, &packet, -1); /* gone: nobody to tell */
	return 111;
}

int
serve(int asker, const struct context *c, unsigned seconds)
{
	struct relay r = { .conn = CONN, .plain = PLAIN, .in.buf = buffers[0],
	                   .out.buf = buffers[1] };
	int fds[N_FDS] = { 0 };
	const char *why;

	heap_populate();
	if (!take_request(asker, fds))
		return 1;
	r.ssl = make_ssl(c, &fds[CHANNEL], &why);
	if (r.ssl == NULL)
		return refuse(asker, why);
	if (!place(fds)) {
		log_error("prepare a relay", errno);
		return 111;
	}
	prepare();
	remote_use(fds[CHANNEL] != -1 ? CHANNEL : -1);
	if (SSL_set_fd(r.ssl, CONN) != 1 || !confine_relay(N_FDS)) {
		log_error("start a relay", errno);
		return 111;
	}
	if (shake_hands(r.ssl, seconds)) {
		forget();
		relay_run(&r);
		return 0;
	}
	(void)shutdown(CONN, SHUT_RDWR);
	return 1;
}
