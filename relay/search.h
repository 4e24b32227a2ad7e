/*
 * One question of a runner on its way: everything that DNS and MTA-STS have to say of a
 * domain or a relay is asked at once; when all has come, search_answer.c makes a route of it.
 */
#ifndef RELAY_SEARCH_H
#define RELAY_SEARCH_H

#include <stdbool.h>

#include "base/packet.h"
#include "base/sts.h"
#include "relay/dane.h"
#include "relay/mx.h"
#include "relay/policy.h"
#include "relay/site.h"

enum search_tlsa { TLSA_NONE, TLSA_FOUND, TLSA_FAILED };

struct search_host {
	struct mx mx;
	unsigned n4, n6;
	struct ip v4[LIMIT_MX_ADDRESSES], v6[LIMIT_MX_ADDRESSES];
	unsigned answers;              /* of A and AAAA */
	bool insecure;                 /* one of them has no proof */
	bool failed;                   /* one of them has not come */
	char final[LIMIT_DOMAIN + 1];  /* where aliases lead; "" = nowhere */
	enum search_tlsa tlsa;
	bool dane_at_alias;            /* asked at mx.host, after mx.host's alias */
	struct dane dane;
};

/* What ends a search before there are hosts. */
enum search_end {
	SEARCH_HOSTS, SEARCH_NO_NAME, SEARCH_NULL_MX, SEARCH_LOOP, SEARCH_UNUSABLE,
	SEARCH_FAILED, SEARCH_BOGUS,
};

struct search {
	const struct site *site;
	void (*done)(struct search *s);
	void *data;                    /* of done */
	bool mx;                       /* a domain, not a relay */
	char domain[LIMIT_DOMAIN + 3]; /* or the relay's name; a literal in its brackets */
	unsigned port;
	bool had_kept;                 /* the runner has a policy */
	unsigned pending;
	enum search_end end;
	char why[200];                 /* of the first failure */
	bool bogus;                    /* among the failures is one by DNSSEC */
	bool secure;                   /* MX, or its absence, is proved */
	unsigned n;
	struct search_host host[LIMIT_MX];
	enum policy_result policy_result;
	struct sts_policy policy;
};

/*
 * Starts. kept: the policy that the runner has, or "". done() is called once, when all is
 * known, perhaps before this returns; it ends with search_free(). False: no memory, or it is
 * no domain; then nothing is called.
 */
bool search_mx(const struct site *site, const char *domain, const char *kept,
               void (*done)(struct search *), void *data);
bool search_host(const struct site *site, const char *host, unsigned port,
                 void (*done)(struct search *), void *data);

void search_free(struct search *s);

/* Sends the answer (base/routing.h) over a runner's connection. 0 or -1. */
int search_answer(const struct search *s, int to);

#endif
