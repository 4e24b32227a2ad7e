/* See ip.h. Text forms are libc's inet_pton and inet_ntop. */
#include "base/ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/num.h"

static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool
is_ip4(const struct ip *ip)
{
	return memcmp(ip->octets, mapped, sizeof mapped) == 0;
}

void
ip_from_ipv4(struct ip *ip, const void *four)
{
	memcpy(ip->octets, mapped, sizeof mapped);
	memcpy(ip->octets + sizeof mapped, four, 4);
	ip->known = true;
}

bool
parse_ip(const char *s, struct ip *ip)
{
	unsigned char four[4];

	if (inet_pton(AF_INET, s, four) == 1) {
		ip_from_ipv4(ip, four);
		return true;
	}
	if (inet_pton(AF_INET6, s, ip->octets) != 1)
		return false;
	ip->known = true;
	return true;
}

bool
parse_ip_net(const char *s, struct ip_net *net)
{
	char addr[INET6_ADDRSTRLEN];
	const char *slash = strchr(s, '/');
	size_t len = slash != NULL ? (size_t)(slash - s) : strlen(s);
	uint64_t bits;
	unsigned offset;

	if (len >= sizeof addr)
		return false;
	memcpy(addr, s, len);
	addr[len] = '\0';
	if (!parse_ip(addr, &net->ip))
		return false;
	/* A dotted quad counts its own 32 bits; the mapped form counts all 128. */
	offset = strchr(addr, ':') == NULL ? 96 : 0;
	bits = 128 - offset;
	if (slash != NULL && !parse_u64(slash + 1, bits, &bits))
		return false;
	net->bits = (unsigned)bits + offset;
	for (unsigned i = net->bits; i < 128; i++)
		if (net->ip.octets[i / 8] & (0x80 >> i % 8))
			return false;
	return true;
}

static bool
is_in_net(const struct ip *ip, const struct ip_net *net)
{
	unsigned whole = net->bits / 8;
	unsigned rest = net->bits % 8;

	if (!ip->known || memcmp(ip->octets, net->ip.octets, whole) != 0)
		return false;
	return rest == 0 || (ip->octets[whole] ^ net->ip.octets[whole]) >> (8 - rest) == 0;
}

bool
is_ip_in(const struct ip *ip, const struct ip_nets *nets)
{
	for (unsigned i = 0; i < nets->n; i++)
		if (is_in_net(ip, &nets->net[i]))
			return true;
	return false;
}

void
ip_from_sockaddr(struct ip *ip, const struct sockaddr_storage *sa)
{
	memset(ip, 0, sizeof *ip);
	if (sa->ss_family == AF_INET) {
		struct sockaddr_in sin;

		memcpy(&sin, sa, sizeof sin);
		ip_from_ipv4(ip, &sin.sin_addr);
	} else if (sa->ss_family == AF_INET6) {
		struct sockaddr_in6 sin6;

		memcpy(&sin6, sa, sizeof sin6);
		memcpy(ip->octets, &sin6.sin6_addr, sizeof ip->octets);
		ip->known = true;
	}
}

void
ip_text(struct text *t, const struct ip *ip)
{
	char s[INET6_ADDRSTRLEN] = "local";

	/* Both families fit INET6_ADDRSTRLEN, so inet_ntop cannot fail. */
	if (ip->known && is_ip4(ip))
		(void)inet_ntop(AF_INET, ip->octets + 12, s, sizeof s);
	else if (ip->known)
		(void)inet_ntop(AF_INET6, ip->octets, s, sizeof s);
	text_add(t, s);
}

void
ip_literal(struct text *t, const struct ip *ip)
{
	text_add(t, ip->known && !is_ip4(ip) ? "[IPv6:" : "[");
	ip_text(t, ip);
	text_addc(t, ']');
}
