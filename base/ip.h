/* Addresses of clients, and networks to compare them with. No names, no DNS. */
#ifndef BASE_IP_H
#define BASE_IP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/limits.h"
#include "base/text.h"

/* 16 octets in network order; IPv4 is held as ::ffff:a.b.c.d (RFC 4291 2.5.5.2). */
struct ip {
	unsigned char octets[16];
	bool known; /* false: a pipe, a unix socket, or nothing said */
};

struct ip_net {
	struct ip ip;
	unsigned bits; /* 0 to 128, counted over the 16 octets */
};

/* Several networks, as a configuration lists them. */
struct ip_nets {
	unsigned n;
	struct ip_net net[LIMIT_NETWORKS];
};

/* "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1". */
bool parse_ip(const char *s, struct ip *ip);
/* An address, or address/bits; octets past the prefix must be zero. */
bool parse_ip_net(const char *s, struct ip_net *net);
bool is_ip_in(const struct ip *ip, const struct ip_nets *nets);
/* From the 4 octets of an IPv4 address, in network order. */
void ip_from_ipv4(struct ip *ip, const void *four);
/* From getpeername(); not known for other families. */
void ip_from_sockaddr(struct ip *ip, const struct sockaddr_storage *sa);
/* "192.0.2.1" or "2001:db8::1"; "local" when not known. */
void ip_text(struct text *t, const struct ip *ip);
/* RFC 5321 4.1.3: "[192.0.2.1]" or "[IPv6:2001:db8::1]". */
void ip_literal(struct text *t, const struct ip *ip);

#endif
