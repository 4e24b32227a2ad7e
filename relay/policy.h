/*
 * The MTA-STS policy that holds for a domain (RFC 8461 3 and 5.1): what is kept, unless its
 * TXT record names another; then that is fetched by the program `sts`.
 */
#ifndef RELAY_POLICY_H
#define RELAY_POLICY_H

#include <stdbool.h>

#include "base/sts.h"
#include "relay/site.h"

enum policy_result {
	POLICY_NONE,   /* none holds; one that is kept is of no use any more */
	POLICY_KEPT,   /* the kept one holds */
	POLICY_NEW,    /* another one holds, which is to be kept */
};

/* p is good until it returns; NULL with POLICY_NONE. */
typedef void policy_done(void *data, enum policy_result result, const struct sts_policy *p);

/* kept: "" or the text of sts_write(). May be done before it returns. */
void policy_find(const struct site *site, const char *domain, const char *kept,
                 policy_done *done, void *data);

#endif
