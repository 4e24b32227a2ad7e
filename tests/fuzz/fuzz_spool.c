/*
 * What spool is handed: the envelope of qmail-queue(8) (spool/order.c), and the packet on
 * its socket that goes with it (spool/serve.c).
 */
#include <sys/socket.h>

#include "spool/ask.h"
#include "spool/order.h"
#include "spool/serve.h"
#include "tests/fuzz/fuzz.h"

static void
check_order(const char *s, size_t size)
{
	static struct order o, again;
	static char buf[LIMIT_ENVELOPE_TEXT];
	struct verdict v = { .code = SPOOL_DONE };
	struct text t;
	bool good = order_parse(&o, s, size, "our.test", &v);

	CHECK(good == (v.code == SPOOL_DONE));
	if (!good)
		return;
	CHECK(o.n > 0 && o.n <= LIMIT_RECIPIENTS);
	for (unsigned i = 0; i < o.n; i++)
		CHECK(o.to[i].local[0] != '\0' && o.to[i].domain[0] != '\0' &&
		      is_address_safe(o.to[i].local, o.to[i].domain));
	text_init(&t, buf, sizeof buf);
	order_text(&t, &o);
	CHECK(text_ok(&t) && order_parse(&again, buf, t.len, "our.test", &v));
	CHECK(again.n == o.n && strcmp(again.sender.local, o.sender.local) == 0);
	for (unsigned i = 0; i < o.n; i++)
		CHECK(strcmp(again.to[i].local, o.to[i].local) == 0 &&
		      strcmp(again.to[i].domain, o.to[i].domain) == 0);
}

static void
check_packet(const uint8_t *data, size_t size)
{
	static struct order o;
	static struct packet p;
	int pair[2];

	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	if (size > 0 && size <= LIMIT_PACKET && send(pair[0], data, size, 0) == (ssize_t)size &&
	    packet_recv(pair[1], &p) == 1) {
		if (serve_take_fields(&o, &p)) {
			CHECK(p.n == 3 && strlen(o.envid) <= LIMIT_ENVID);
			CHECK(o.notify < 16 && (!(o.notify & NOTIFY_NEVER) || o.notify == NOTIFY_NEVER));
		}
		packet_close_fds(&p);
	}
	CHECK(close(pair[0]) == 0 && close(pair[1]) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s = fuzz_string(data, size);

	check_order(s, size);
	check_packet(data, size);
	free(s);
	return 0;
}
