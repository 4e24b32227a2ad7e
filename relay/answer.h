/*
 * What DNS said to one question: the records asked for, at the end of the chain of aliases
 * (CNAME). The packet comes from libunbound, the data in it from anybody.
 */
#ifndef RELAY_ANSWER_H
#define RELAY_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/limits.h"

/* RR types (RFC 1035 3.2.2, 3596, 6698). */
enum { RR_A = 1, RR_CNAME = 5, RR_PTR = 12, RR_MX = 15, RR_TXT = 16, RR_AAAA = 28, RR_TLSA = 52 };

/* Records of one answer that are looked at; the data of one of them. */
#define ANSWER_RECORDS 64
#define ANSWER_DATA 4096

struct answer_record {
	unsigned preference;          /* MX */
	/*
	 * MX, PTR: the name, as text without a last dot; "" for the root; NULL: none that a host
	 * can have. Else octets: A 4, AAAA 16, TLSA as RFC 6698 2.1, TXT its strings joined.
	 */
	const char *name;
	const unsigned char *data;
	size_t len;
};

enum answer_status {
	ANSWER_GOOD,      /* n records; 0: the name is there, but has none of this type */
	ANSWER_NO_NAME,   /* NXDOMAIN */
	ANSWER_FAILED,    /* no answer, SERVFAIL, nonsense */
	ANSWER_BOGUS,     /* DNSSEC says forged, or could not be checked */
};

struct answer {
	enum answer_status status;
	bool secure;                    /* by DNSSEC, aliases and absence included */
	char why[160];                  /* of FAILED and BOGUS */
	char name[LIMIT_DOMAIN + 1];    /* where the records stand, lower case; "" = unknown */
	unsigned n;
	struct answer_record record[ANSWER_RECORDS];
	size_t used;                    /* of data */
	unsigned char data[16 * ANSWER_DATA];
};

/* Reads a packet that answers for name and type; a broken one is ANSWER_FAILED. */
void answer_read(struct answer *a, const unsigned char *packet, size_t len, const char *name,
                 int type);

/* Nothing to read: FAILED or BOGUS, and why. */
void answer_fail(struct answer *a, enum answer_status status, const char *why);

#endif
