/*
 * A runner's side of the dialogue with the router: one call, one route. MTA-STS policies
 * are kept for the router here, one file for each domain in STATE/sts (RFC 8461 5.1).
 */
#ifndef RELAY_ROUTE_H
#define RELAY_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/limits.h"

enum route_policy {
	ROUTE_POLICY_NONE,        /* TLS where there is STARTTLS, verify "none" */
	/* A must. Verify "dane" with the records, or "none" where n_tlsa is 0. */
	ROUTE_POLICY_DANE,
	ROUTE_POLICY_STS_ENFORCE, /* a must, verify "name" */
	/* As NONE, but verify "try": tls_facts.verified says whether "name" would have held. */
	ROUTE_POLICY_STS_TESTING,
};

struct route_hop {
	char address[46];              /* IPv4 or IPv6 */
	unsigned port;
	char host[LIMIT_DOMAIN + 1];   /* for messages and the log; "" for a literal */
	unsigned preference;
	bool secure;
	enum route_policy policy;
	char names[LIMIT_TLS_PEERS];   /* the name field of TLS_CONNECT */
	unsigned n_tlsa;
	const char *tlsa[LIMIT_TLSA];  /* fields of TLS_CONNECT, into struct route */
};

enum route_result { ROUTE_GOOD, ROUTE_PERMANENT, ROUTE_TEMPORARY };

struct route {
	unsigned n;
	struct route_hop hop[LIMIT_HOPS]; /* to be tried in this order */
	char code[16];                    /* where there is none: "5.1.2" */
	char text[LIMIT_REPLY];
	size_t len;                       /* of records */
	char records[LIMIT_ROUTE_RECORDS];
};

/* STATE/sts, made where it is missing; -1 with errno. */
int route_open_kept(int state);

/*
 * Where does mail for a domain go? domain: A-labels, lower case, or a literal in brackets.
 * sts: directory of the kept policies, -1 for none. Waits up to LIMIT_ROUTE seconds; a
 * router that is gone or talks nonsense is a temporary failure (4.3.0), with errno.
 */
enum route_result route_mx(struct route *r, int boundary, const char *domain, int sts);

/* The same of a configured relay: host is a name or an IP address without brackets. */
enum route_result route_host(struct route *r, int boundary, const char *host, unsigned port);

#endif
