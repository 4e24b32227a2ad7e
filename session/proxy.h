/*
 * The PROXY protocol, versions 1 and 2 (its specification is HAProxy's
 * proxy-protocol.txt): who the client behind a configured proxy is. Pure.
 */
#ifndef SESSION_PROXY_H
#define SESSION_PROXY_H

#include <stddef.h>

#include "base/ip.h"

/* The longest header that is read: version 2 with its additions. */
#define PROXY_MAX (16 + 2048)

enum proxy_result {
	PROXY_MORE, /* *need octets in all must be there; no more belong to the header */
	PROXY_OK,   /* the header is complete; *ip is known unless the proxy spoke for itself */
	PROXY_BAD,
};

/*
 * Looks at the len octets read so far. Never asks for an octet past the header's
 * end, so that what follows it can be read by somebody else.
 */
enum proxy_result proxy_parse(const char *buf, size_t len, size_t *need, struct ip *ip);

#endif
