/*
 * See runner_run.h: ATRN (RFC 2645). The customer's connection, on which it is the server
 * now, is the only slot of runs for all its domains; there is no route and no second
 * connection. What it does not take stays as it is, until the customer comes again.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "relay/runner_run.h"

bool
run_is_over(const struct run *r)
{
	return r->turned && r->conn == -1 && r->slots[0].state == SLOT_FREE;
}

/* One hop, which cannot be lost and found again. */
static void
set_route(struct run *r, const char *client)
{
	static const struct outcome gone = { .class = '4', .code = "4.4.2",
		.reply = "the customer's connection has ended" };
	static const struct outcome no_tls = { .class = '5', .code = "5.7.30",
		.reply = "REQUIRETLS is not for a connection that the recipient has made" };

	memset(&r->way, 0, sizeof r->way);
	r->way.next.kind = NEXT_SMTP;
	/* TLS is beneath it already: who is there has proved it by a login. */
	r->way.tls = NEXT_TLS_NEVER;
	r->held = r->now = r->routed = true;
	memset(&r->route.hop[0], 0, sizeof r->route.hop[0]);
	(void)text_copy(r->route.hop[0].address, sizeof r->route.hop[0].address, client);
	r->route.n = 1;
	r->no_hop[0] = (struct no_hop){ .why = gone };
	r->no_hop[1] = (struct no_hop){ .is = true, .why = no_tls };
}

/* Messages that wait; a pass that its connection's end cut off has not seen them all. */
static uint64_t
count_left(struct run *r)
{
	uint64_t n = 0;

	queue_rewind(&r->queue);
	while (queue_next(&r->queue) != NULL)
		n++;
	return n;
}

/* What is said of it in the log. */
static const char *
send_domain(struct run *r, const char *name, const char *client)
{
	r->sent = r->failed = r->left = 0;
	switch (queue_open(&r->queue, name)) {
	case QUEUE_OPEN:
		break;
	case QUEUE_BUSY:
		return "busy";
	case QUEUE_NONE:
		return "none";
	case QUEUE_ERROR:
		log_error("open a queue", errno);
		return "failed";
	}
	(void)queue_domain(r->domain, name); /* queue_open() has asked */
	set_route(r, client);
	run_passes(r);
	if (run_is_over(r))
		r->left = count_left(r);
	queue_close(&r->queue);
	return run_is_over(r) ? "lost" : "done";
}

void
run_turn(struct run *r, int conn, const char *client, const char *domains, const char *id)
{
	unsigned n_slots = r->n_slots;
	char name[LIMIT_NAME + 1];
	struct text t;

	run_end_kept(r); /* nor is this one kept */
	r->turned = true;
	r->conn = conn;
	r->n_slots = r->share = 1;
	while (*domains != '\0' && !run_is_over(r)) {
		size_t len = strcspn(domains, ",");

		text_init(&t, name, sizeof name);
		text_addn(&t, domains, len);
		if (text_ok(&t))
			run_log_asked(r, id, name, send_domain(r, name, client));
		domains += len + (domains[len] == ',');
	}
	if (r->slots[0].state != SLOT_FREE)
		slot_quit(&r->slots[0]);
	if (r->conn != -1)
		(void)close(r->conn); /* nothing was to be sent */
	r->conn = -1;
	r->n_slots = n_slots;
	r->turned = false;
}
