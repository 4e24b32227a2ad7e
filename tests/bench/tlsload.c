/*
 * TLS load client: N threads, each connects, says EHLO and STARTTLS, makes a handshake,
 * says EHLO again, sends a message or not, QUIT, and begins anew. Certificates are not
 * checked: it measures servers. Prints one line of key=value; exit 0: no errors.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct {
	struct sockaddr_in server;
	unsigned clients, total;
	bool resume, idle, implicit, old;
	size_t size;
	const char *to, *kind;
} opt = { .clients = 10, .total = 500, .to = "bench@bench.test", .kind = "" };

static atomic_uint started, finished, errors, resumed, ready;
static SSL_CTX *ctx;
static char *text;
static double body_seconds; /* of the last message: its octets to the last reply */

struct talk {
	int fd;
	SSL *ssl; /* NULL while in clear */
	char in[4096];
};

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* One reply, whole; servers do not speak ahead here. True for its code. */
static bool
expect(struct talk *t, const char *code)
{
	size_t len = 0;

	for (;;) {
		size_t room = sizeof t->in - 1 - len;
		ssize_t n = t->ssl != NULL ? SSL_read(t->ssl, t->in + len, (int)room) :
		            read(t->fd, t->in + len, room);
		char *line;

		if (n <= 0)
			return false;
		len += (size_t)n;
		t->in[len] = '\0';
		if (t->in[len - 1] != '\n' || len == sizeof t->in - 1)
			continue;
		t->in[len - 1] = '\0';
		line = strrchr(t->in, '\n');
		line = line != NULL ? line + 1 : t->in;
		t->in[len - 1] = '\n';
		if (strlen(line) >= 4 && line[3] == ' ')
			return memcmp(line, code, 3) == 0;
	}
}

static bool
put(struct talk *t, const char *s, size_t len)
{
	while (len > 0) {
		ssize_t n = t->ssl != NULL ? SSL_write(t->ssl, s, (int)len) :
		            send(t->fd, s, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		s += n;
		len -= (size_t)n;
	}
	return true;
}

static bool
say(struct talk *t, const char *line, const char *code)
{
	return put(t, line, strlen(line)) && expect(t, code);
}

static bool
send_message(struct talk *t)
{
	char to[512];
	double begun;

	snprintf(to, sizeof to, "RCPT TO:<%s>\r\n", opt.to);
	if (!say(t, "MAIL FROM:<load@client.test>\r\n", "250") || !say(t, to, "250") ||
	    !say(t, "DATA\r\n", "354"))
		return false;
	begun = now();
	if (!put(t, text, opt.size) || !say(t, "\r\n.\r\n", "250"))
		return false;
	body_seconds = now() - begun;
	return true;
}

static bool
begin_tls(struct talk *t, SSL_SESSION **session)
{
	t->ssl = SSL_new(ctx);
	if (t->ssl == NULL || SSL_set_fd(t->ssl, t->fd) != 1 ||
	    SSL_set_tlsext_host_name(t->ssl, "mx.bench.test") != 1 ||
	    (*session != NULL && SSL_set_session(t->ssl, *session) != 1) ||
	    SSL_connect(t->ssl) != 1)
		return false;
	resumed += SSL_session_reused(t->ssl) == 1;
	return true;
}

static bool
converse(struct talk *t, SSL_SESSION **session)
{
	static const int on = 1;

	t->fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(t->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(t->fd, (struct sockaddr *)&opt.server, sizeof opt.server) == -1 ||
	    (opt.implicit ? !begin_tls(t, session) || !expect(t, "220") :
	     !expect(t, "220") || !say(t, "EHLO client.test\r\n", "250") ||
	     !say(t, "STARTTLS\r\n", "220") || !begin_tls(t, session)) ||
	    !say(t, "EHLO client.test\r\n", "250"))
		return false;
	if (opt.resume) {
		/* The ticket came with the reply; it is used once. */
		SSL_SESSION_free(*session);
		*session = SSL_get1_session(t->ssl);
	}
	if (opt.idle) {
		ready++;
		pause();
	}
	return (opt.size == 0 || send_message(t)) && say(t, "QUIT\r\n", "221");
}

static void *
run(void *unused)
{
	SSL_SESSION *session = NULL;

	(void)unused;
	while (started++ < opt.total) {
		struct talk t = { .fd = -1 };

		if (converse(&t, &session)) {
			(void)SSL_shutdown(t.ssl);
			finished++;
		} else if (errors++ == 0) {
			warnx("failed: %s; last reply %.100s",
			      ERR_error_string(ERR_peek_error(), NULL), t.in);
		}
		SSL_free(t.ssl);
		close(t.fd);
		ERR_clear_error();
	}
	SSL_SESSION_free(session);
	return NULL;
}

static unsigned
number(const char *s)
{
	char *end;
	unsigned long n = strtoul(s, &end, 10);

	if (*s < '0' || *s > '9' || *end != '\0' || n > 1UL << 30)
		errx(2, "%s: not a number", s);
	return (unsigned)n;
}

static void
options(int argc, char **argv)
{
	int o;

	opt.server.sin_family = AF_INET;
	opt.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	while ((o = getopt(argc, argv, "p:c:n:s:t:k:ri2I")) != -1)
		switch (o) {
		case 'p': opt.server.sin_port = htons((uint16_t)number(optarg)); break;
		case 'c': opt.clients = number(optarg); break;
		case 'n': opt.total = number(optarg); break;
		case 's': opt.size = number(optarg); break;
		case 't': opt.to = optarg; break;
		case 'k': opt.kind = optarg; break;
		case 'r': opt.resume = true; break;
		case 'i': opt.idle = true; break;
		case 'I': opt.implicit = true; break;
		case '2': opt.old = true; break;
		default:
			errx(2, "usage: tlsload -p PORT [-c CLIENTS] [-n COUNT] [-r RESUME] "
			     "[-2 TLS 1.2] [-I IMPLICIT] [-k ECDSA|RSA] [-s SIZE -t ADDRESS] "
			     "[-i: hold CLIENTS connections until input ends]");
		}
}

static void
make_context(void)
{
	int version = opt.old ? TLS1_2_VERSION : TLS1_3_VERSION;

	ctx = SSL_CTX_new(TLS_client_method());
	if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, version) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, version) != 1 ||
	    (opt.kind[0] != '\0' &&
	     SSL_CTX_set1_sigalgs_list(ctx, strcmp(opt.kind, "RSA") == 0 ?
	             "RSA-PSS+SHA256:RSA+SHA256" : "ECDSA+SHA256") != 1))
		errx(2, "no TLS context");
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
}

static void
make_text(void)
{
	text = malloc(opt.size + 1);
	if (text == NULL)
		err(111, "malloc");
	for (size_t i = 0; i < opt.size; i++)
		text[i] = i % 78 == 76 ? '\r' : i % 78 == 77 ? '\n' : 'x';
	memcpy(text, "Subject: load\r\n\r\n", opt.size < 17 ? opt.size : 17);
}

int
main(int argc, char **argv)
{
	pthread_t *threads;
	struct rusage used;
	double begun, seconds;

	options(argc, argv);
	(void)signal(SIGPIPE, SIG_IGN);
	make_context();
	make_text();
	threads = calloc(opt.clients, sizeof *threads);
	if (threads == NULL)
		err(111, "calloc");
	if (opt.idle)
		opt.total = opt.clients;
	begun = now();
	for (unsigned i = 0; i < opt.clients; i++)
		if ((errno = pthread_create(&threads[i], NULL, run, NULL)) != 0)
			err(111, "pthread_create");
	if (opt.idle) {
		while (ready + errors < opt.clients)
			usleep(10000);
		printf("ready=%u errors=%u\n", (unsigned)ready, (unsigned)errors);
		fflush(stdout);
		while (getchar() != EOF)
			;
		return errors > 0;
	}
	for (unsigned i = 0; i < opt.clients; i++)
		pthread_join(threads[i], NULL);
	seconds = now() - begun;
	getrusage(RUSAGE_SELF, &used);
	printf("done=%u errors=%u resumed=%u seconds=%.3f rate=%.1f client_cpu_ms=%.3f body_ms=%.1f\n",
	       (unsigned)finished, (unsigned)errors, (unsigned)resumed, seconds,
	       (double)finished / seconds,
	       1e3 * ((double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	              (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6) /
	       (finished > 0 ? (double)finished : 1), 1e3 * body_seconds);
	return errors > 0;
}
