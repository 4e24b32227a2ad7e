/*
 * See serve.h. A relay that serves one connection, as by default, closes the queue before
 * it reads the client's first octet: taken over, it can take no other. One that serves
 * several wipes what it had of each.
 */
#include "tls/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/helper.h"
#include "base/log.h"
#include "base/packet.h"
#include "base/wipe.h"
#include "tls/ancestor.h"
#include "tls/client.h"
#include "tls/confine.h"
#include "tls/context.h"
#include "tls/facts.h"
#include "tls/handshake.h"
#include "tls/heap.h"
#include "tls/relay.h"
#include "tls/remote.h"
#include "tls/ticket.h"

#define CONTROL 3 /* the ancestor's, not ours */
/* Who asks has the packet ready when it connects. */
#define ASK_MS (10 * 1000)
/* A relay that has served and finds nothing more to do ends. */
#define IDLE_MS (60 * 1000)

static struct serve_setup setup;

/* The connection of now; -1: closed, or there is none. */
static struct {
	int asker, conn, plain, channel;
} job;

static _Alignas(4096) char buffers[2][RELAY_BUFFER];
/*
 * What was asked for, until the handshake is done; then our answer. One for both: its pages
 * are private memory.
 */
static struct packet packet;

void
serve_prepare(const struct serve_setup *s)
{
	setup = *s;
}

static bool
is_readable(int fd, int ms)
{
	struct pollfd p = { fd, POLLIN, 0 };
	int n;

	do
		n = poll(&p, 1, ms);
	while (n == -1 && errno == EINTR);
	return n > 0;
}

static void
close_one(int *fd)
{
	if (*fd != -1)
		(void)close(*fd); /* an error changes nothing */
	*fd = -1;
}

/* The next job; ends where there will be none. */
static void
take_job(bool has_served)
{
	int r;

	do {
		if (!is_readable(ANCESTOR_QUEUE, has_served ? IDLE_MS : -1))
			_exit(ANCESTOR_IDLE);
		r = packet_recv(ANCESTOR_QUEUE, &packet);
		if (r == 1 && packet.letter == SERVE_JOB && packet.fd[0] != -1) {
			job.asker = packet.fd[0];
			job.channel = packet.fd[1];
			return;
		}
		packet_close_fds(&packet);
	} while (r == 1 || (r == -1 && (errno == EAGAIN || errno == ECONNRESET)));
	_exit(ANCESTOR_IDLE);
}

/* Of the request, which stays where it is, the letter; '\0': there is none. */
static char
peek_letter(void)
{
	char letter = '\0';

	if (is_readable(job.asker, ASK_MS) && recv(job.asker, &letter, 1, MSG_PEEK) == 1)
		return letter;
	return '\0';
}

/* The packet TLS_SERVE or TLS_CONNECT, and the two descriptors. */
static bool
take_request(void)
{
	if (packet_recv(job.asker, &packet) != 1)
		return false;
	if (!is_client_request(&packet) &&
	    (packet.letter != TLS_SERVE || packet.n != 3 || packet.fd[1] == -1)) {
		log_error("a request that is none: closed", 0);
		packet_close_fds(&packet);
		return false;
	}
	log_context(packet.field[0], packet.letter == TLS_SERVE ? packet.field[1] : "");
	job.conn = packet.fd[0];
	job.plain = packet.fd[1];
	return true;
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
	(void)packet_send(job.asker, &packet, -1); /* gone: nobody to tell */
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
	return packet_send(job.asker, &packet, -1) == 0;
}

/* After the handshake: what it needed and nobody needs again. */
static void
forget(bool last)
{
	if (last)
		ticket_forget();
	remote_use(-1);
	close_one(&job.channel); /* the holder has closed it, too */
	close_one(&job.asker);   /* its answer is on its way */
}

static bool
shake_hands(SSL *ssl)
{
	struct handshake h = {
		.ssl = ssl,
		.conn = job.conn,
		.asker = job.asker,
		.deadline = clock_ms() + (int64_t)setup.handshake * 1000,
	};
	bool good = handshake_run(&h);

	(void)SSL_set_app_data(ssl, NULL);
	if (!good) {
		tell_failure(&h);
		return false;
	}
	return tell_facts(ssl);
}

static SSL *
make_ssl(const char **why)
{
	SSL *ssl = NULL;

	*why = "no certificate is configured";
	if (packet.letter == TLS_CONNECT)
		return client_new(&packet, why);
	if (setup.context == NULL)
		return NULL;
	*why = "the key holder cannot be asked";
	if (job.channel != -1)
		ssl = SSL_new(setup.context->fallback);
	if (ssl != NULL)
		SSL_set_accept_state(ssl);
	return ssl;
}

/* Tells who asked; the connection is as it was. */
static int
refuse(const char *why)
{
	log_error(why, 0);
	packet_start(&packet, TLS_FAILED);
	packet_add(&packet, why);
	(void)packet_send(job.asker, &packet, -1); /* gone: nobody to tell */
	return 111;
}

static int
serve_ssl(SSL *ssl, bool last)
{
	struct relay r = { .ssl = ssl, .conn = job.conn, .plain = job.plain,
	                   .in.buf = buffers[0], .out.buf = buffers[1] };

	remote_use(job.channel);
	if (!last) /* what has been read would stay in memory */
		(void)SSL_set_options(ssl, SSL_OP_CLEANSE_PLAINTEXT);
	if (SSL_set_fd(ssl, job.conn) != 1 || fcntl(job.conn, F_SETFL, O_NONBLOCK) == -1 ||
	    fcntl(job.plain, F_SETFL, O_NONBLOCK) == -1) {
		log_error("start a relay", errno);
		return 111;
	}
	if (shake_hands(ssl)) {
		forget(last);
		relay_run(&r);
		return 0;
	}
	(void)shutdown(job.conn, SHUT_RDWR);
	return 1;
}

/* One connection. The exit code. */
static int
serve_one(bool last)
{
	const char *why;
	SSL *ssl;
	int code;

	if (!take_request())
		return 1;
	ssl = make_ssl(&why);
	if (ssl == NULL)
		return refuse(why);
	code = serve_ssl(ssl, last);
	if (!last)
		SSL_free(ssl);
	return code;
}

/* Nothing of a connection is left for the next one: not its octets, and not its name. */
static void
wipe(void)
{
	remote_use(-1);
	close_one(&job.channel);
	close_one(&job.asker);
	close_one(&job.conn);
	close_one(&job.plain);
	ERR_clear_error();
	log_context("", "");
	explicit_bzero(buffers, sizeof buffers);
	explicit_bzero(&packet, sizeof packet);
	wipe_stack();
}

static void
tell(char word, int fd)
{
	packet_start(&packet, word);
	if (packet_send(ANCESTOR_QUEUE, &packet, fd) == -1)
		_exit(0); /* our time is over */
}

noreturn void
serve_run(void)
{
	bool is_named = false;

	(void)prctl(PR_SET_NAME, "tls-spare", 0, 0, 0); /* for ps; a valid name */
	(void)close(CONTROL);
	heap_populate();
	for (uint64_t n = 1;; n++) {
		bool last = n >= setup.reuse;
		int code;

		job.conn = job.plain = -1;
		take_job(n > 1);
		while (peek_letter() == TLS_CONNECT && !client_is_ready()) {
			tell(SERVE_BACK, job.asker);
			close_one(&job.asker);
			close_one(&job.channel);
			take_job(n > 1);
		}
		if (!is_named)
			(void)prctl(PR_SET_NAME, "tls-relay", 0, 0, 0);
		is_named = true;
		if (last)
			(void)close(ANCESTOR_QUEUE);
		code = serve_one(last);
		if (last)
			_exit(code);
		wipe();
		tell(SERVE_READY, -1);
	}
}

int
serve_asker(int asker, unsigned seconds)
{
	setup = (struct serve_setup){ .handshake = seconds, .reuse = 1 };
	job.asker = asker;
	job.conn = job.plain = job.channel = -1;
	if (!confine_relay(asker + 1))
		die_temp("confine the relay", errno);
	heap_populate();
	return peek_letter() == TLS_CONNECT ? serve_one(true) : 1;
}
