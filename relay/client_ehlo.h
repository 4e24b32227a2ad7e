/* What a next hop offers in its answer to EHLO or LHLO (RFC 5321 4.1.1.1). */
#ifndef RELAY_CLIENT_EHLO_H
#define RELAY_CLIENT_EHLO_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

enum client_extension {
	EXT_PIPELINING = 1 << 0,      /* RFC 2920 */
	EXT_SIZE = 1 << 1,            /* RFC 1870 */
	EXT_8BITMIME = 1 << 2,        /* RFC 6152 */
	EXT_CHUNKING = 1 << 3,        /* RFC 3030 */
	EXT_BINARYMIME = 1 << 4,      /* RFC 3030 */
	EXT_SMTPUTF8 = 1 << 5,        /* RFC 6531 */
	EXT_DSN = 1 << 6,             /* RFC 3461 */
	EXT_STARTTLS = 1 << 7,        /* RFC 3207 */
	EXT_AUTH = 1 << 8,            /* RFC 4954 */
	EXT_ENHANCEDSTATUSCODES = 1 << 9, /* RFC 2034 */
	EXT_REQUIRETLS = 1 << 10,     /* RFC 8689 */
	EXT_LIMITS = 1 << 11,         /* RFC 9422 */
	EXT_CHECKPOINT = 1 << 12,     /* RFC 1845 */
	EXT_DELIVERBY = 1 << 13,      /* RFC 2852 */
	EXT_MT_PRIORITY = 1 << 14,    /* RFC 6710 */
};

struct client_offer {
	unsigned have;          /* enum client_extension */
	uint64_t size;          /* 0: no limit was named */
	unsigned mechanisms;    /* enum mechanism */
	uint64_t rcpt_max;      /* RFC 9422; 0: not said */
	uint64_t mail_max;
	uint64_t by_min;        /* RFC 2852: seconds that mode R needs; 0: not said */
};

/* One line of the answer; what is malformed or unknown counts as not offered. */
void client_offer_line(struct client_offer *o, const char *line, size_t len);

/* Names of what is offered, separated by blanks; SIZE with its number. */
void client_offer_text(struct text *t, const struct client_offer *o);

#endif
