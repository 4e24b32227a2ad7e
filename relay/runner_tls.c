/*
 * See runner_run.h: TLS on a sender's connection. The runner passes the connection to the
 * helper and the plain end back; it reads neither. What a hop must have comes from its
 * route (DANE, MTA-STS), from the domain's `tls`, and from the message (REQUIRETLS).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/job.h"
#include "base/log.h"
#include "base/sending.h"
#include "relay/runner_run.h"

static bool
has_helper(const struct run *r)
{
	const struct helper_door *d = &r->setup->tls;

	return d->feed != -1 || (d->path != NULL && d->path[0] != '\0');
}

static enum route_policy
policy_of(const struct run *r, const struct slot *s)
{
	return r->way.next.path[0] != '\0' ? ROUTE_POLICY_NONE : r->route.hop[s->hop].policy;
}

char
slot_tls_wish(const struct run *r, struct slot *s)
{
	enum route_policy policy = policy_of(r, s);

	/* A unix socket leaves this host as little as a pipe does. */
	if (r->way.next.path[0] != '\0')
		return SEND_TLS_NEVER;
	s->must = s->strict || r->way.tls == NEXT_TLS_MUST || r->way.tls == NEXT_TLS_VERIFY ||
	          policy == ROUTE_POLICY_DANE || policy == ROUTE_POLICY_STS_ENFORCE;
	s->must_verify = s->strict || r->way.tls == NEXT_TLS_VERIFY ||
	                 policy == ROUTE_POLICY_STS_ENFORCE ||
	                 (policy == ROUTE_POLICY_DANE && r->route.hop[s->hop].n_tlsa > 0);
	/* An administrator's word; and it is the end for REQUIRETLS, which `must` sees to. */
	if (r->way.tls == NEXT_TLS_NEVER && !s->strict) {
		s->must = s->must_verify = false;
		return SEND_TLS_NEVER;
	}
	if (!s->must && (s->plain || !has_helper(r)))
		return SEND_TLS_NEVER;
	/* RFC 8314 3.3: submissions. */
	if (r->way.is_relay && r->way.next.port == 465) {
		s->must = true;
		return SEND_TLS_FIRST;
	}
	return s->must ? SEND_TLS_MUST : SEND_TLS_MAY;
}

static const char *
policy_name(const struct run *r, const struct slot *s)
{
	switch (policy_of(r, s)) {
	case ROUTE_POLICY_DANE:
		return "dane";
	case ROUTE_POLICY_STS_ENFORCE:
		return "sts-enforce";
	case ROUTE_POLICY_STS_TESTING:
		return "sts-testing";
	case ROUTE_POLICY_NONE:
		break;
	}
	return s->must_verify ? "verify" : s->must ? "must" : "none";
}

void
slot_tls_result(const struct run *r, const struct slot *s, const char *type, const char *detail)
{
	const struct route_hop *h = &r->route.hop[s->hop];
	struct log_line l;

	log_start(&l, "tls-result");
	log_field(&l, "domain", r->domain);
	log_field(&l, "host", h->host);
	log_field(&l, "address", h->address);
	log_field(&l, "policy", policy_name(r, s));
	log_field(&l, "result", type);
	if (s->tls_version[0] != '\0')
		log_field(&l, "tls", s->tls_version);
	if (detail[0] != '\0')
		log_field(&l, "what", detail);
	log_send(&l, s->tls_version[0] != '\0' ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING);
}

/* end: the plain end, given away; or -1: there is no TLS. */
static void
answer(struct slot *s, int end)
{
	static struct packet p;

	packet_start(&p, SEND_TLS);
	packet_add(&p, end != -1 ? "yes" : "");
	(void)packet_send(s->boundary, &p, end); /* gone: seen next */
	if (end != -1)
		(void)close(end);
}

static void
fail(const struct run *r, struct slot *s, const char *type, const char *detail)
{
	s->tls_failed = true;
	s->tls_ours = strcmp(type, "no-helper") == 0;
	slot_tls_result(r, s, type, detail);
	if (s->tls_end != -1)
		(void)close(s->tls_end);
	s->tls_end = -1;
	answer(s, -1);
}

/* The names a certificate may bear, and how it is checked: base/helper.h. */
static void
ask(const struct run *r, const struct slot *s, struct packet *p)
{
	const struct route_hop *h = &r->route.hop[s->hop];
	enum route_policy policy = policy_of(r, s);
	bool dane = policy == ROUTE_POLICY_DANE && h->n_tlsa > 0;
	char id[LIMIT_ID + 1];

	job_make_id(id, (unsigned)getpid());
	packet_start(p, TLS_CONNECT);
	packet_add(p, id);
	packet_add(p, h->address);
	packet_add(p, h->names[0] != '\0' ? h->names :
	              r->way.next.kind == NEXT_MX ? h->host : r->way.next.host);
	packet_add(p, dane ? "dane" : s->must_verify ? "name" :
	              policy == ROUTE_POLICY_STS_TESTING ? "try" : "none");
	for (unsigned i = 0; dane && i < h->n_tlsa; i++)
		packet_add(p, h->tlsa[i]);
}

void
slot_tls_begin(struct run *r, struct slot *s, int conn)
{
	static struct packet p;
	int pair[2];

	s->tls = has_helper(r) ? helper_connect(&r->setup->tls) : -1;
	if (s->tls == -1 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1) {
		(void)close(conn); /* the sender has its own */
		fail(r, s, "no-helper", "TLS is not to be had here");
		return;
	}
	ask(r, s, &p);
	s->tls_end = pair[0];
	if (packet_send_pair(s->tls, &p, conn, pair[1]) == -1) {
		(void)close(s->tls);
		s->tls = -1;
		fail(r, s, "no-helper", "the tls helper went away");
	}
	(void)close(conn);
	(void)close(pair[1]);
}

void
slot_tls_event(struct run *r, struct slot *s)
{
	static struct packet p;
	int got = packet_recv(s->tls, &p), end = s->tls_end;
	bool up = got == 1 && p.letter == TLS_UP && p.n == TLS_FACTS;
	bool verified = up && strcmp(p.field[5], "yes") == 0;

	packet_close_fds(&p);
	(void)close(s->tls);
	s->tls = -1;
	if (!up) {
		/* RFC 8460 4.3.2 has one word for what was not trusted, one for the rest. */
		fail(r, s, s->must_verify ? "validation-failure" : "handshake-failure",
		     got == 1 && p.n > 0 ? p.field[0] : "");
		return;
	}
	if (s->must_verify && !verified) {
		fail(r, s, "validation-failure", "the certificate does not prove the name");
		return;
	}
	(void)text_copy(s->tls_version, sizeof s->tls_version, p.field[0]);
	/* RFC 8461 5: in testing a failure is told, and the message goes. */
	slot_tls_result(r, s, !verified && policy_of(r, s) == ROUTE_POLICY_STS_TESTING ?
	                      "validation-failure" : "success", verified ? "verified" : "");
	s->tls_end = -1;
	answer(s, end);
}
