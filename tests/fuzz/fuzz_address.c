/*
 * Addresses: what base/address.c reads is safe and reads back the same; names and
 * networks made of it are what their headers promise.
 */
#include "base/address.h"
#include "base/ip.h"
#include "base/name.h"
#include "tests/fuzz/fuzz.h"

static void
check_address(const char *s, size_t len)
{
	char buf[LIMIT_ADDRESS + 1];
	struct address a, b;
	struct text t;
	size_t n = address_read(&a, s, len);

	CHECK(n <= len);
	if (n == 0)
		return;
	CHECK(memchr(s, '\0', n) == NULL);
	CHECK(a.local[0] != '\0' && a.domain[0] != '\0');
	CHECK(is_address_safe(a.local, a.domain));
	CHECK(address_read(&b, s, n) == n && strcmp(a.local, b.local) == 0 &&
	      strcmp(a.domain, b.domain) == 0);
	text_init(&t, buf, sizeof buf);
	address_text(&t, &a);
	CHECK(text_ok(&t) && parse_address(buf, &b));
	CHECK(strcmp(a.local, b.local) == 0 && strcmp(a.domain, b.domain) == 0);
}

static void
check_domain(const char *s)
{
	char name[LIMIT_NAME + 1], again[LIMIT_NAME + 1];
	size_t len = strlen(s);

	if (!name_domain(name, s))
		return;
	CHECK(is_domain(s, len) && is_domain(name, strlen(name)));
	CHECK(name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-")] == '\0');
	CHECK(name_domain(again, name) && strcmp(name, again) == 0);
}

static void
check_mailbox(const char *s)
{
	char name[LIMIT_NAME + 1], again[LIMIT_NAME + 1], local[LIMIT_LOCAL + 1];

	if (!name_mailbox(name, s))
		return;
	CHECK(name[0] != '\0' && name[0] != '.');
	CHECK(name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEF0123456789_=.-%")] == '\0');
	if (name_to_local(local, name)) /* not where NFC has grown past 64 octets */
		CHECK(name_mailbox(again, local) && strcmp(name, again) == 0);
}

static void
check_ip(const char *s)
{
	char buf[64];
	struct ip_net net;
	struct ip a, b;
	struct text t;

	(void)parse_ip_net(s, &net);
	(void)is_greeting_name(s);
	if (!parse_ip(s, &a))
		return;
	text_init(&t, buf, sizeof buf);
	ip_text(&t, &a);
	CHECK(text_ok(&t) && parse_ip(buf, &b) && memcmp(a.octets, b.octets, 16) == 0);
	CHECK(parse_ip_net(s, &net) && net.bits == 128);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s = fuzz_string(data, size);

	check_address(s, size);
	(void)is_domain(s, size);
	check_domain(s);
	check_mailbox(s);
	check_ip(s);
	free(s);
	return 0;
}
