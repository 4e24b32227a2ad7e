/* See runner_run.h. Which hops a domain's mail has, and which of them are left alone now. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ip.h"
#include "base/log.h"
#include "relay/runner_run.h"

#define DNS_NAME "dns"

bool
run_configure(struct run *r)
{
	return way_find(&r->way, r->setup->conf, r->setup->domains, r->queue.domain, log_message);
}

static bool
give_up(struct run *r, char class, const char *code, const char *text)
{
	for (unsigned i = 0; i < 2; i++) {
		struct no_hop *n = &r->no_hop[i];

		n->is = true;
		n->why = (struct outcome){ .class = class };
		(void)snprintf(n->why.code, sizeof n->why.code, "%s", code);
		(void)snprintf(n->why.reply, sizeof n->why.reply, "%s", text);
	}
	return false;
}

static void
log_no_route(const struct run *r)
{
	struct log_line l;

	log_start(&l, "no-route");
	log_field(&l, "domain", r->domain);
	log_field(&l, "code", r->route.code);
	log_field(&l, "reply", r->route.text);
	log_send(&l, LOG_LEVEL_WARNING);
}

/* One hop that needs no name service. True when that is so. */
static bool
is_plain(struct run *r)
{
	struct route_hop *hop = &r->route.hop[0];
	struct ip ip;

	if (r->way.next.path[0] == '\0' && !parse_ip(r->way.next.host, &ip))
		return false;
	memset(hop, 0, sizeof *hop);
	hop->port = r->way.next.port;
	(void)text_copy(hop->address, sizeof hop->address, r->way.next.host); /* "" for a path */
	r->route.n = 1;
	return true;
}

bool
run_route(struct run *r)
{
	const struct schedule_host *down = schedule_find(&r->schedule, DNS_NAME);
	const struct runner_setup *setup = r->setup;
	enum route_result result;
	time_t now = time(NULL);
	int boundary;

	if (r->routed)
		return r->route.n > 0;
	r->routed = true;
	r->routed_at = clock_ms();
	r->route.n = 0;
	if (r->way.next.kind != NEXT_MX && is_plain(r))
		return true;
	if (!r->now && schedule_is_down(&r->schedule, DNS_NAME, setup->conf, now))
		return give_up(r, '4', down->code, down->text);
	boundary = helper_connect(&setup->router);
	if (boundary == -1) {
		log_error("connect to the router", errno);
		return give_up(r, '4', "4.3.0", "our own router does not answer");
	}
	result = r->way.next.kind == NEXT_MX ?
		route_mx(&r->route, boundary, r->domain, setup->sts) :
		route_host(&r->route, boundary, r->way.next.host, r->way.next.port);
	(void)close(boundary); /* one question a run */
	if (result == ROUTE_GOOD) {
		schedule_works(&r->schedule, DNS_NAME);
		return true;
	}
	r->route.n = 0;
	log_no_route(r);
	/* Mail on hold is often held by its only MX: for the time being, that is no route. */
	if (result == ROUTE_PERMANENT && r->way.next.kind == NEXT_MX && !r->held)
		return give_up(r, '5', r->route.code, r->route.text);
	schedule_failed(&r->schedule, DNS_NAME, setup->conf, now, r->route.code, r->route.text);
	return give_up(r, '4', r->route.code, r->route.text);
}

bool
run_is_strict(const struct run *r, const struct envelope *e)
{
	return e->require_tls && e->sender.local[0] != '\0' && r->way.next.path[0] == '\0';
}

void
run_hop_name(const struct run *r, unsigned hop, bool strict, char out[SCHEDULE_NAME])
{
	const struct route_hop *h = &r->route.hop[hop];
	struct text t;

	text_init(&t, out, SCHEDULE_NAME);
	text_add(&t, r->way.next.path[0] != '\0' ? r->way.next.path : h->address);
	text_addc(&t, '/');
	text_addu(&t, h->port);
	/* A host without verified TLS still takes other mail. */
	if (strict)
		text_add(&t, "/s");
}

bool
run_find_hop(struct run *r, bool strict, unsigned from, unsigned *hop)
{
	struct no_hop *none = &r->no_hop[strict];
	time_t now = time(NULL);
	char name[SCHEDULE_NAME];

	if (none->is || !run_route(r))
		return false;
	for (unsigned i = from; i < r->route.n; i++) {
		const struct schedule_host *h;

		run_hop_name(r, i, strict, name);
		if (r->now || !schedule_is_down(&r->schedule, name, r->setup->conf, now)) {
			*hop = i;
			return true;
		}
		h = schedule_find(&r->schedule, name);
		if (none->why.class == '4')
			continue; /* the first such is told of; one that is left alone may work yet */
		none->why.class = '4';
		(void)text_copy(none->why.code, sizeof none->why.code, h->code);
		(void)text_copy(none->why.reply, sizeof none->why.reply, h->text);
	}
	none->is = true;
	return false;
}
