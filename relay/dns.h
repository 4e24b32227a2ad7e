/*
 * Questions to DNS through libunbound, many at once, in a libevent loop. Every one is
 * answered, after dns_timeout seconds at the latest.
 */
#ifndef RELAY_DNS_H
#define RELAY_DNS_H

#include <event2/event.h>
#include <stdbool.h>

#include "base/conf.h"
#include "relay/answer.h"

struct dns;

/*
 * Reads resolv.conf, hosts and the trust anchor, or what the configuration says instead:
 * afterwards no file is needed. NULL: logged.
 */
struct dns *dns_open(const struct conf *c, struct event_base *base, bool have_ipv6);

/* The answer is good until it returns or asks. May be called before dns_ask() returns. */
typedef void dns_done(void *data, unsigned tag, const struct answer *a);

/* name: without a last dot. */
void dns_ask(struct dns *d, const char *name, int type, dns_done *done, void *data,
             unsigned tag);

#endif
