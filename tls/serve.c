/*
 * See serve.h. A relay that has been taken over can take no other connection: it gets one
 * only after it has been rewound, and keeps nothing then.
 */
#include "tls/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/ancestor.h"
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
#include "tls/relay.h"
#include "tls/remote.h"
#include "tls/ticket.h"

/* Who asks has the packet ready when it connects. */
#define ASK_MS (10 * 1000)

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

/* Ends where there will be none. */
static void
take_job(void)
{
	if (packet_recv(ANCESTOR_JOBS, &packet) != 1 || packet.letter != SERVE_JOB ||
	    packet.n != TICKET_FIELDS || packet.fd[0] == -1 || !ticket_take(packet.field))
		_exit(0);
	job.asker = packet.fd[0];
	job.channel = packet.fd[1];
	explicit_bzero(packet.buf, packet.len);
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
forget(void)
{
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
serve_ssl(SSL *ssl)
{
	struct relay r = { .ssl = ssl, .conn = job.conn, .plain = job.plain,
	                   .in.buf = buffers[0], .out.buf = buffers[1] };

	remote_use(job.channel);
	if (SSL_set_fd(ssl, job.conn) != 1 || fcntl(job.conn, F_SETFL, O_NONBLOCK) == -1 ||
	    fcntl(job.plain, F_SETFL, O_NONBLOCK) == -1) {
		log_error("start a relay", errno);
		return 111;
	}
	if (shake_hands(ssl)) {
		forget();
		relay_run(&r);
		return 0;
	}
	(void)shutdown(job.conn, SHUT_RDWR);
	return 1;
}

/* One connection. The exit code. */
static int
serve_one(void)
{
	const char *why;
	SSL *ssl;

	if (!take_request())
		return 1;
	ssl = make_ssl(&why);
	return ssl == NULL ? refuse(why) : serve_ssl(ssl);
}

void
serve_hot(struct rewind_hot hot[SPAWN_HOT])
{
	hot[0] = heap_hot();
	hot[1] = (struct rewind_hot){ (const char *)&packet, sizeof packet };
	hot[2] = (struct rewind_hot){ buffers[0], 1 }; /* a page each, of short lines */
	hot[3] = (struct rewind_hot){ buffers[1], 1 };
}

void
serve_run(void)
{
	char letter;

	(void)prctl(PR_SET_NAME, "tls-spare", 0, 0, 0); /* for ps; valid names */
	heap_populate();
	job.conn = job.plain = -1;
	take_job();
	letter = peek_letter();
	if (letter == TLS_CONNECT && !client_is_ready())
		_exit(SERVE_BACK);
	(void)prctl(PR_SET_NAME, "tls-relay", 0, 0, 0);
	if (letter != '\0')
		(void)serve_one();
	/* The client need not wait until this process starts over, or ends. */
	close_one(&job.conn);
	close_one(&job.plain);
	close_one(&job.asker);
	if (clock_cpu_seconds() >= LIMIT_SESSION_CPU / 2)
		_exit(0); /* its time counts on, and others are to have theirs */
}

int
serve_asker(int asker, unsigned seconds)
{
	setup = (struct serve_setup){ .handshake = seconds };
	job.asker = asker;
	job.conn = job.plain = job.channel = -1;
	if (!confine_relay(asker + 1))
		die_temp("confine the relay", errno);
	heap_populate();
	return peek_letter() == TLS_CONNECT ? serve_one() : 1;
}
