/*
 * Load client: N parallel SMTP clients in one process, driven by epoll. Every reply
 * code is checked; a wrong one is an error, which ends that connection and fails its
 * message. With -w it waits until the mailbox has got every acknowledged message, so
 * servers that queue first are timed to the same end as one that delivers at once.
 * It prints one line of key=value. Exit 0: no errors, nothing lost.
 */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/bench/arrivals.h"
#include "tests/bench/load.h"
#include "tests/bench/series.h"

enum phase { BANNER, HELLO, MAIL, RCPT, DATA, BODY, QUIT, END };

static const struct {
	const char *name;
	char code[4];
} phases[] = {
	[BANNER] = { "banner", "220" }, [HELLO] = { "EHLO", "250" },
	[MAIL] = { "MAIL", "250" },     [RCPT] = { "RCPT", "250" },
	[DATA] = { "DATA", "354" },     [BODY] = { "message", "250" },
	[QUIT] = { "QUIT", "221" },     [END] = { "end", "" },
};

struct client {
	int fd;
	enum phase phase;         /* whose reply is awaited */
	unsigned sent;            /* messages, on this connection */
	unsigned rcpt, mailbox;   /* of this message: recipients so far, the first one */
	bool blocked;             /* the server takes no more for now */
	struct iovec out[3];      /* to be written: commands, message, dot */
	char *command;
	size_t command_size;
	char in[4096];
	size_t in_len;
	uint64_t connected, mailed, body;
};

static char *text;
static struct series banner, message, body, session;
static unsigned begun, started, running, errors, ready, next_mailbox;
static struct arrivals arrivals = { .fd = -1 };
static struct client *clients;
static uint64_t last_end;
static int poller;

__attribute__((format(printf, 2, 3))) static void
append(struct client *c, const char *format, ...)
{
	size_t len = c->out[0].iov_len, room = c->command_size - len;
	va_list arg;
	int n;

	va_start(arg, format);
	n = vsnprintf(c->command + len, room, format, arg);
	va_end(arg);
	if (n < 0 || (size_t)n >= room)
		errx(2, "commands too long");
	c->out[0].iov_len = len + (size_t)n;
}

/* With -u N the recipients are LOCAL0@DOMAIN to LOCALn-1@DOMAIN, in turn. */
static void
say_rcpt(struct client *c, unsigned i)
{
	int local = (int)strcspn(opt.to, "@");

	if (opt.mailboxes == 0)
		append(c, "RCPT TO:<%s>\r\n", opt.to);
	else
		append(c, "RCPT TO:<%.*s%u%s>\r\n", local, opt.to,
		       (c->mailbox + i) % opt.mailboxes, opt.to + local);
}

static void
say_mail(struct client *c)
{
	c->mailed = series_now();
	c->rcpt = 0;
	c->mailbox = next_mailbox;
	if (opt.mailboxes > 0)
		next_mailbox = (next_mailbox + opt.rcpts) % opt.mailboxes;
	append(c, "MAIL FROM:<load@client.test> SIZE=%zu\r\n", opt.size);
	if (!opt.pipeline)
		return;
	for (unsigned i = 0; i < opt.rcpts; i++)
		say_rcpt(c, i);
	if (!opt.bdat)
		append(c, "DATA\r\n");
}

static void
say_body(struct client *c)
{
	static char dot[] = ".\r\n";

	c->body = series_now();
	c->out[1] = (struct iovec){ text, opt.size };
	if (opt.bdat)
		append(c, "BDAT %zu LAST\r\n", opt.size);
	else
		c->out[2] = (struct iovec){ dot, 3 };
}

/* What the phase begins with, unless it went out together with MAIL. */
static void
say(struct client *c)
{
	memset(c->out, 0, sizeof c->out);
	c->out[0].iov_base = c->command;
	if (c->phase == HELLO)
		append(c, "EHLO client.test\r\n");
	else if (c->phase == MAIL)
		say_mail(c);
	else if (c->phase == RCPT && !opt.pipeline)
		say_rcpt(c, c->rcpt);
	else if (c->phase == DATA && !opt.pipeline)
		append(c, "DATA\r\n");
	else if (c->phase == BODY)
		say_body(c);
	else if (c->phase == QUIT)
		append(c, "QUIT\r\n");
}

static const char *
write_out(struct client *c)
{
	int i = 0;
	bool blocked = false;

	while (i < 3 && !blocked) {
		struct iovec *v = &c->out[i];
		ssize_t n = v->iov_len == 0 ? 0 : writev(c->fd, v, 3 - i);

		if (n == -1 && errno != EAGAIN)
			return strerror(errno);
		blocked = n == -1;
		for (; i < 3 && n >= (ssize_t)c->out[i].iov_len; i++) {
			n -= (ssize_t)c->out[i].iov_len;
			c->out[i].iov_len = 0;
		}
		if (i < 3 && n > 0) {
			c->out[i].iov_base = (char *)c->out[i].iov_base + n;
			c->out[i].iov_len -= (size_t)n;
		}
	}
	if (blocked != c->blocked) {
		struct epoll_event e = { .events = EPOLLIN | (blocked ? EPOLLOUT : 0),
			                 .data.ptr = c };

		c->blocked = blocked;
		if (epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e) == -1)
			err(111, "epoll");
	}
	return NULL;
}

/* Takes one of the messages (or bare connections) that are still to do. */
static bool
take_one(void)
{
	return started < opt.total && ++started != 0;
}

static enum phase
next_phase(struct client *c)
{
	switch (c->phase) {
	case BANNER:
		series_add(&banner, c->connected);
		return HELLO;
	case HELLO:
		if (opt.idle)
			ready++;
		return opt.hello ? QUIT : opt.idle ? END : MAIL;
	case MAIL:
		return RCPT;
	case RCPT:
		return ++c->rcpt < opt.rcpts ? RCPT : opt.bdat ? BODY : DATA;
	case DATA:
		return BODY;
	case BODY:
		series_add(&message, c->mailed);
		series_add(&body, c->body);
		return ++c->sent < opt.each && take_one() ? MAIL : QUIT;
	case QUIT:
		series_add(&session, c->connected);
		break;
	case END:
		break;
	}
	return END;
}

/* One reply line, without CRLF. */
static const char *
take_line(struct client *c, const char *line, size_t len)
{
	static char why[128];

	if (len < 3 || memcmp(line, phases[c->phase].code, 3) != 0) {
		snprintf(why, sizeof why, "%.*s", (int)(len < 120 ? len : 120), line);
		return why;
	}
	if (len > 3 && line[3] == '-')
		return NULL;
	c->phase = next_phase(c);
	say(c);
	return write_out(c);
}

/* NULL: go on, or END is reached; else what went wrong. */
static const char *
serve(struct client *c)
{
	const char *why = c->blocked ? write_out(c) : NULL;
	size_t at = 0;
	ssize_t n;
	char *lf;

	if (why != NULL)
		return why;
	n = read(c->fd, c->in + c->in_len, sizeof c->in - c->in_len);
	if (n <= 0)
		return n == 0 ? "connection closed" : errno == EAGAIN ? NULL : strerror(errno);
	c->in_len += (size_t)n;
	while (why == NULL && c->phase != END &&
	       (lf = memchr(c->in + at, '\n', c->in_len - at)) != NULL) {
		why = take_line(c, c->in + at, (size_t)(lf - c->in) - at);
		at = (size_t)(lf - c->in) + 1;
	}
	memmove(c->in, c->in + at, c->in_len -= at);
	return why == NULL && c->in_len == sizeof c->in ? "endless line" : why;
}

static void
begin(struct client *c)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

	if (!take_one())
		return;
	c->phase = BANNER;
	c->sent = 0;
	c->in_len = 0;
	c->blocked = false;
	memset(c->out, 0, sizeof c->out);
	c->connected = series_now();
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd == -1 || epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &e) == -1)
		err(111, "socket");
	if (connect(c->fd, (struct sockaddr *)&opt.server, sizeof opt.server) == -1 &&
	    errno != EINPROGRESS)
		err(111, "connect");
	running++;
}

/* A client that has not been used yet. */
static void
begin_next(void)
{
	if (begun < opt.clients)
		begin(&clients[begun++]);
}

static void
on_event(struct client *c)
{
	const char *why = serve(c);

	if (why == NULL && c->phase != END)
		return;
	if (why == NULL && opt.idle) {
		begin_next(); /* it stays connected */
		return;
	}
	if (why != NULL && ++errors <= 5)
		warnx("at %s: %s", phases[c->phase].name, why);
	if (errors > 20)
		opt.total = started; /* hopeless: begin no more */
	close(c->fd);
	last_end = series_now();
	running--;
	if (opt.idle)
		begin_next();
	else
		begin(c);
}

static void
watch(void)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL };

	if (arrivals_open(&arrivals, opt.watch) == -1 ||
	    epoll_ctl(poller, EPOLL_CTL_ADD, arrivals.fd, &e) == -1)
		err(111, "%s", opt.watch);
}

static bool
is_done(void)
{
	return running == 0 && (opt.watch == NULL || arrivals.count >= message.len);
}

static void
run(void)
{
	struct epoll_event e[64];
	uint64_t deadline = series_now() + (uint64_t)opt.seconds * 1000000000;

	if (opt.watch != NULL)
		watch();
	/* Idle clients come one after the other: some servers queue only five. */
	while (begun < (opt.idle ? 1 : opt.clients))
		begin_next();
	while (!is_done() && series_now() < deadline) {
		int n = epoll_wait(poller, e, 64, 100);

		for (int i = 0; i < n; i++)
			if (e[i].data.ptr == NULL)
				arrivals_read(&arrivals);
			else
				on_event(e[i].data.ptr);
		if (opt.idle && ready + errors == opt.clients)
			return;
	}
	if (running > 0)
		warnx("%u connections unfinished after %u s", running, opt.seconds);
	errors += running;
}

/* Rates are per second: units counts messages, or connections where none are sent. */
static int
report(uint64_t start)
{
	size_t units = opt.hello ? session.len : opt.idle ? ready : message.len;
	uint64_t end = arrivals.last > last_end ? arrivals.last : last_end;
	size_t lost = opt.watch != NULL && arrivals.count < units ? units - arrivals.count : 0;
	double median = series_ms(&body, 0.5);

	printf("count=%zu errors=%u lost=%zu seconds=%.3f accepted_rate=%.1f rate=%.1f", units,
	       errors, lost, (double)(end - start) / 1e9,
	       (double)units * 1e9 / (double)(last_end - start),
	       (double)units * 1e9 / (double)(end - start));
	series_print("banner", &banner);
	series_print("session", &session);
	series_print("message", &message);
	printf(" mbps=%.1f\n", median > 0 ? (double)opt.size / 1e3 / median : 0);
	return errors > 0 || lost > 0;
}

int
main(int argc, char **argv)
{
	uint64_t start;
	char c;

	options(argc, argv);
	text = make_message();
	signal(SIGPIPE, SIG_IGN);
	poller = epoll_create1(EPOLL_CLOEXEC);
	clients = series_alloc(opt.clients, sizeof *clients);
	for (unsigned i = 0; i < opt.clients; i++) {
		clients[i].command_size = 256 + opt.rcpts * (strlen(opt.to) + 64);
		clients[i].command = series_alloc(clients[i].command_size, 1);
	}
	start = last_end = series_now();
	run();
	if (opt.idle) {
		printf("ready=%u errors=%u\n", ready, errors);
		fflush(stdout);
		while (read(0, &c, 1) > 0)
			continue;
		return errors > 0;
	}
	return report(start);
}
