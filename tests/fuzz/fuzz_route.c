/*
 * What a router says to a runner: packets, one a line, "|" between fields. A route that comes
 * of it holds nothing but what SMTP, TLS and the log may be handed.
 */
#include "relay/route.h"

#include <sys/socket.h>

#include "base/ip.h"
#include "tests/fuzz/fuzz.h"

static struct route r;

static void
check_hop(const struct route_hop *h)
{
	struct ip ip;

	CHECK(parse_ip(h->address, &ip) && h->port > 0 && h->port < 65536);
	CHECK(h->preference < 65536 && h->policy <= ROUTE_POLICY_STS_TESTING);
	for (const char *c = h->host; *c != '\0'; c++)
		CHECK(*c > ' ' && *c <= '~');
	CHECK(strpbrk(h->names, "\r\n|") == NULL && h->n_tlsa <= LIMIT_TLSA);
	for (unsigned k = 0; k < h->n_tlsa; k++)
		CHECK(h->tlsa[k] >= r.records && h->tlsa[k] < r.records + r.len &&
		      strlen(h->tlsa[k]) > 7);
}

/* All that there is, then the end. */
static void
send_lines(int to, const uint8_t *data, size_t size)
{
	static char buf[LIMIT_PACKET];

	for (size_t at = 0; at < size;) {
		const uint8_t *lf = memchr(data + at, '\n', size - at);
		size_t len = lf != NULL ? (size_t)(lf - data) - at : size - at;
		size_t n = len < sizeof buf - 1 ? len : sizeof buf - 1;

		memcpy(buf, data + at, n);
		for (size_t i = 1; i < n; i++) {
			if (buf[i] == '|')
				buf[i] = '\0';
			else if (buf[i] == '\\')
				buf[i] = '\n';
		}
		if (n > 1)
			buf[n++] = '\0';
		if (send(to, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
			break; /* the queue is full: enough */
		at += len + 1;
	}
	CHECK(shutdown(to, SHUT_WR) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int sts = -1;
	enum route_result result;
	int pair[2];

	if (sts == -1)
		CHECK((sts = route_open_kept(fuzz_scratch())) != -1);
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	send_lines(pair[1], data, size);
	result = route_mx(&r, pair[0], "domain.example", sts);
	CHECK((result == ROUTE_GOOD) == (r.n > 0) && r.n <= LIMIT_HOPS);
	CHECK(result == ROUTE_GOOD || r.code[0] == (result == ROUTE_PERMANENT ? '5' : '4'));
	for (const char *c = r.text; *c != '\0'; c++)
		CHECK(*c >= ' ' && *c <= '~');
	for (unsigned i = 0; i < r.n; i++)
		check_hop(&r.hop[i]);
	CHECK(close(pair[0]) == 0 && close(pair[1]) == 0);
	return 0;
}
