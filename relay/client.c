/* See client.h. */
#include "relay/client.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/ip.h"
#include "base/num.h"

/* RFC 5321 4.5.3.2 has nothing on QUIT: whoever is slow here misses our good-bye. */
#define QUIT_SECONDS 2

void
client_init(struct client *c, int fd, int watch, bool lmtp, const char *hello)
{
	memset(c, 0, offsetof(struct client, io));
	client_io_init(&c->io, fd, watch);
	c->lmtp = lmtp;
	c->hello = hello;
	c->resume_from = LIMIT_RESUME_FROM;
}

static socklen_t
fill_address(struct sockaddr_storage *sa, const struct ip *ip, uint16_t port)
{
	static const unsigned char v4[12] = { [10] = 0xFF, [11] = 0xFF };
	struct sockaddr_in *in = (struct sockaddr_in *)sa;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)sa;

	memset(sa, 0, sizeof *sa);
	if (memcmp(ip->octets, v4, sizeof v4) == 0) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, ip->octets + 12, 4);
		return sizeof *in;
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, ip->octets, 16);
	return sizeof *in6;
}

/* 0, or errno. */
static int
connect_within(int fd, const struct sockaddr_storage *sa, socklen_t len, uint64_t seconds)
{
	struct timespec t = { (time_t)seconds, 0 };
	struct pollfd p = { fd, POLLOUT, 0 };
	socklen_t err_len = sizeof(int);
	int err = 0, n;

	if (connect(fd, (const struct sockaddr *)sa, len) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	do
		n = ppoll(&p, 1, &t, NULL);
	while (n == -1 && errno == EINTR);
	if (n == 0)
		return ETIMEDOUT;
	if (n == -1 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &err_len) == -1)
		return errno;
	return err;
}

int
client_connect(const char *address, const char *port, uint64_t seconds,
               struct client_verdict *v)
{
	struct sockaddr_storage sa;
	struct ip ip;
	uint64_t number;
	socklen_t len;
	int fd, err, on = 1;

	if (!parse_ip(address, &ip) || !parse_u64(port, 65535, &number) || number == 0) {
		client_verdict_local(v, "4.3.5", "no address and port: ", address);
		return -1;
	}
	len = fill_address(&sa, &ip, (uint16_t)number);
	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	err = fd == -1 ? errno : connect_within(fd, &sa, len, seconds);
	if (err == 0 && fcntl(fd, F_SETFL, 0) == -1) /* who gets it next expects that */
		err = errno;
	if (err != 0) {
		client_verdict_local(v, "4.4.1", "connect: ", strerror(err));
		if (fd != -1)
			(void)close(fd); /* it never was one */
		return -1;
	}
	/* We write what is complete; waiting for more (Nagle) helps nobody. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

static bool
fail_trouble(struct client *c, const char *step)
{
	client_verdict_trouble(&c->problem, c->io.trouble, step);
	return false;
}

static bool
fail_reply(struct client *c, const struct client_reply *r)
{
	client_verdict_reply(&c->problem, r, false);
	return false;
}

bool
client_ask(struct client *c, const char *verb, const char *argument,
           struct client_reply *r)
{
	client_deadline(&c->io, c->reply_seconds);
	if (verb != NULL) {
		client_puts(&c->io, verb);
		if (argument != NULL) {
			client_puts(&c->io, " ");
			client_puts(&c->io, argument);
		}
		client_puts(&c->io, "\r\n");
	}
	(void)client_flush(&c->io); /* a peer that has closed may have said why */
	return client_reply_read(&c->io, r, NULL, NULL) ||
	       fail_trouble(c, verb != NULL ? verb : "the greeting");
}

bool
client_greeting(struct client *c)
{
	struct client_reply r;
	size_t len;

	if (!client_ask(c, NULL, NULL, &r))
		return false;
	len = strcspn(r.first, " ");
	if (len <= LIMIT_DOMAIN) {
		memcpy(c->host, r.first, len);
		c->host[len] = '\0';
	}
	return r.code / 10 == 22 || fail_reply(c, &r); /* RFC 5321 4.2.3: 220 */
}

static void
offer_line(void *arg, unsigned number, const char *line, size_t len)
{
	if (number > 0)
		client_offer_line(arg, line, len);
}

/* EHLO or LHLO with the lines of its answer. */
static bool
ask_extended(struct client *c, struct client_reply *r)
{
	const char *verb = c->lmtp ? "LHLO" : "EHLO";

	client_deadline(&c->io, c->reply_seconds);
	client_puts(&c->io, verb);
	client_puts(&c->io, " ");
	client_puts(&c->io, c->hello);
	client_puts(&c->io, "\r\n");
	(void)client_flush(&c->io);
	return client_reply_read(&c->io, r, offer_line, &c->offer) || fail_trouble(c, verb);
}

bool
client_hello(struct client *c)
{
	struct client_reply r;

	memset(&c->offer, 0, sizeof c->offer);
	if (!ask_extended(c, &r))
		return false;
	if (client_reply_class(&r) == 2)
		return true;
	memset(&c->offer, 0, sizeof c->offer);
	if (c->lmtp || client_reply_class(&r) != 5) /* RFC 5321 3.2: old, or out of sorts? */
		return fail_reply(c, &r);
	if (!client_ask(c, "HELO", c->hello, &r))
		return false;
	return client_reply_class(&r) == 2 || fail_reply(c, &r);
}

enum client_tls
client_starttls(struct client *c)
{
	struct client_reply r;

	if (!client_ask(c, "STARTTLS", NULL, &r))
		return CLIENT_TLS_FAILED;
	if (client_reply_class(&r) != 2) {
		(void)fail_reply(c, &r);
		return r.code == 421 ? CLIENT_TLS_FAILED : CLIENT_TLS_REFUSED;
	}
	/* Octets sent in clear would be taken for what came under TLS. */
	if (client_has_input(&c->io)) {
		client_verdict_local(&c->problem, "4.7.5", "octets behind the reply to STARTTLS", "");
		c->io.trouble = CLIENT_BABBLE; /* not even a QUIT would be understood */
		return CLIENT_TLS_FAILED;
	}
	if (c->io.trouble == CLIENT_FINE)
		return CLIENT_TLS_GO;
	(void)fail_trouble(c, "STARTTLS");
	return CLIENT_TLS_FAILED;
}

void
client_secured(struct client *c, int fd)
{
	client_io_init(&c->io, fd, c->io.watch);
	memset(&c->offer, 0, sizeof c->offer);
	c->tls = true;
}

void
client_quit(struct client *c)
{
	struct client_reply r;

	if (c->io.trouble != CLIENT_FINE)
		return;
	client_deadline(&c->io, QUIT_SECONDS);
	client_puts(&c->io, "QUIT\r\n");
	if (client_flush(&c->io))
		(void)client_reply_read(&c->io, &r, NULL, NULL); /* whatever it is */
}
