/* The load client's options, and the message that it sends. */
#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H

#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/series.h"

static struct {
	bool hello, idle, bdat, pipeline;
	struct sockaddr_in server;
	unsigned clients, total, each, rcpts, mailboxes, seconds;
	size_t size;
	const char *to, *watch;
} opt = {
	.clients = 10, .total = 100, .each = 1, .rcpts = 1, .mailboxes = 0,
	.seconds = 120, .size = 4096, .to = "bench@bench.test",
};

/* Lines end in CRLF; the header is complete, so no server adds to it. */
static inline char *
make_message(void)
{
	static const char head[] =
		"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nFrom: <load@client.test>\r\n"
		"To: <bench@bench.test>\r\nMessage-ID: <load@client.test>\r\n"
		"Subject: load\r\n\r\n";
	size_t len = sizeof head - 1;
	char *text;

	if (opt.size < len + 3)
		errx(2, "a message takes %zu octets or more", len + 3);
	text = series_alloc(opt.size, 1);
	memcpy(text, head, len);
	for (size_t i = len; i < opt.size; i++)
		text[i] = "abcdefghijklmnopqrstuvwxyz\r\n"[(i - len) % 78 < 76
			? (i - len) % 26 : (i - len) % 78 - 50];
	/* A whole last line, and no lone CR before it. */
	memcpy(text + opt.size - 3, "z\r\n", 3);
	if (text[opt.size - 4] == '\r')
		text[opt.size - 4] = 'z';
	return text;
}

static inline unsigned
number(const char *arg, unsigned max)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (*arg < '0' || *arg > '9' || *end != '\0' || n < 1 || n > max)
		errx(2, "%s: not a number from 1 to %u", arg, max);
	return (unsigned)n;
}

static inline void
usage(void)
{
	fputs("usage: load -p PORT [-a ADDRESS] [-c CLIENTS] [-n COUNT] [-x SECONDS]\n"
	      "  [-k MESSAGES a connection] [-s SIZE] [-r RECIPIENTS] [-t ADDRESS]\n"
	      "  [-u MAILBOXES: LOCAL0@DOMAIN and on, in turn] [-b BDAT] [-P PIPELINING]\n"
	      "  [-w DIRECTORY that messages arrive in]\n"
	      "or -h: only connect, EHLO, QUIT; -i: connect, EHLO, print, wait for end of "
	      "input\n", stderr);
	exit(2);
}

static inline void
options(int argc, char **argv)
{
	int o;

	opt.server.sin_family = AF_INET;
	opt.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	while ((o = getopt(argc, argv, "a:p:c:n:k:s:r:t:u:x:w:bPhi")) != -1)
		switch (o) {
		case 'a':
			if (inet_pton(AF_INET, optarg, &opt.server.sin_addr) != 1)
				usage();
			break;
		case 'p': opt.server.sin_port = htons((uint16_t)number(optarg, 65535)); break;
		case 'c': opt.clients = number(optarg, 100000); break;
		case 'n': opt.total = number(optarg, 100000000); break;
		case 'k': opt.each = number(optarg, 1000000); break;
		case 's': opt.size = number(optarg, 1 << 30); break;
		case 'r': opt.rcpts = number(optarg, 1000); break;
		case 't': opt.to = optarg; break;
		case 'u': opt.mailboxes = number(optarg, 100000000); break;
		case 'x': opt.seconds = number(optarg, 86400); break;
		case 'w': opt.watch = optarg; break;
		case 'b': opt.bdat = true; break;
		case 'P': opt.pipeline = true; break;
		case 'h': opt.hello = true; break;
		case 'i': opt.idle = true; break;
		default: usage();
		}
	if (opt.server.sin_port == 0 || optind != argc)
		usage();
	if (opt.idle)
		opt.total = opt.clients;
}

#endif
