/* See site.h. */
#include "relay/site.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

/* Connecting a datagram socket sends nothing; it only looks for a route. */
static bool
has_route(void)
{
	struct sockaddr_in6 sin = { .sin6_family = AF_INET6, .sin6_port = htons(53) };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool good;

	if (fd == -1)
		return false;
	sin.sin6_addr.s6_addr[0] = 0x20; /* 2000::1, global unicast (RFC 4291 2.4) */
	sin.sin6_addr.s6_addr[15] = 1;
	good = connect(fd, (const struct sockaddr *)(const void *)&sin, sizeof sin) == 0;
	(void)close(fd); /* nothing was sent */
	return good;
}

static void
add_own(struct site *s, const struct sockaddr *sa)
{
	struct sockaddr_storage storage = { 0 };
	struct ip ip;

	if (sa == NULL || s->n_own == SITE_ADDRESSES ||
	    (sa->sa_family != AF_INET && sa->sa_family != AF_INET6))
		return;
	memcpy(&storage, sa, sa->sa_family == AF_INET ? sizeof(struct sockaddr_in) :
	                                               sizeof(struct sockaddr_in6));
	ip_from_sockaddr(&ip, &storage);
	if (ip.known)
		s->own[s->n_own++] = ip;
}

void
site_look(struct site *s)
{
	struct ifaddrs *all = NULL;

	s->have_ipv6 = has_route();
	s->n_own = 0;
	if (getifaddrs(&all) == -1)
		return; /* our name is known all the same */
	for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next)
		add_own(s, i->ifa_addr);
	freeifaddrs(all);
}

bool
site_is_own(const struct site *s, const struct ip *ip)
{
	static const char *const always[] = { "0.0.0.0", "::", "127.0.0.1", "::1" };
	struct ip other;

	for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
		if (parse_ip(always[i], &other) && memcmp(other.octets, ip->octets, 16) == 0)
			return true;
	for (unsigned i = 0; i < s->n_own; i++)
		if (memcmp(s->own[i].octets, ip->octets, 16) == 0)
			return true;
	return false;
}
