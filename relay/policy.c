/* See policy.h. A domain without a policy is served as if there were no MTA-STS. */
#include "relay/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "base/packet.h"
#include "base/sts_fetch.h"

/* RFC 8461 3.3: after a failure not again for five minutes. */
#define AGAIN_MS (5 * 60 * 1000)
#define FAILURES 256

struct find {
	const struct site *site;
	policy_done *done;
	void *data;
	char domain[LIMIT_DOMAIN + 1];
	bool has_kept;
	struct sts_policy kept;
	char id[STS_ID + 1];       /* of the record */
	unsigned answers;          /* of A and AAAA */
	unsigned n;
	struct ip address[STS_ADDRESSES];
	int conn;                  /* to who fetches, -1 = none */
	struct event *ready;
};

/* Domains whose policy could not be fetched; the oldest is overwritten. */
static struct {
	char domain[LIMIT_DOMAIN + 1];
	int64_t when;
} failures[FAILURES];
static unsigned next_failure;

static bool
has_failed(const char *domain)
{
	for (unsigned i = 0; i < FAILURES; i++)
		if (failures[i].domain[0] != '\0' && strcasecmp(failures[i].domain, domain) == 0 &&
		    clock_ms() - failures[i].when < AGAIN_MS)
			return true;
	return false;
}

static void
finish(struct find *f, enum policy_result result, const struct sts_policy *p)
{
	policy_done *done = f->done;

	if (f->ready != NULL)
		event_free(f->ready);
	if (f->conn != -1)
		(void)close(f->conn); /* who fetches sees it and ends */
	done(f->data, result, p);
	free(f);
}

/* RFC 8461 5.1: a policy that is current holds, whatever DNS says now. */
static void
finish_kept(struct find *f)
{
	if (f->has_kept && sts_is_current(&f->kept, (uint64_t)clock_now()))
		finish(f, POLICY_KEPT, &f->kept);
	else
		finish(f, POLICY_NONE, NULL);
}

static void
finish_failed(struct find *f, const char *why)
{
	struct log_line l;

	log_start(&l, "sts-failed");
	log_field(&l, "domain", f->domain);
	log_field(&l, "reason", why);
	log_send(&l, LOG_LEVEL_WARNING);
	(void)text_copy(failures[next_failure].domain, LIMIT_DOMAIN + 1, f->domain);
	failures[next_failure].when = clock_ms();
	next_failure = (next_failure + 1) % FAILURES;
	finish_kept(f);
}

static bool
read_policy(const struct packet *in, struct sts_policy *p)
{
	memset(p, 0, sizeof *p);
	return in->n == 3 && in->fd[0] == -1 && parse_sts_mode(in->field[0], &p->mode) &&
	       parse_u64(in->field[1], STS_MAX_AGE, &p->max_age) &&
	       text_copy(p->mx, sizeof p->mx, in->field[2]) &&
	       (is_sts_patterns(p->mx) || (p->mode == STS_NONE && p->mx[0] == '\0'));
}

static void
on_fetched(evutil_socket_t fd, short what, void *data)
{
	static struct packet in;
	static struct sts_policy p;
	struct find *f = data;

	if (what & EV_TIMEOUT) {
		finish_failed(f, "no answer in time");
		return;
	}
	if (packet_recv(fd, &in) != 1) {
		finish_failed(f, "the policy's fetcher has ended");
		return;
	}
	packet_close_fds(&in);
	if (in.letter == STS_FETCHED && read_policy(&in, &p)) {
		p.fetched = (uint64_t)clock_now();
		(void)text_copy(p.id, sizeof p.id, f->id);
		finish(f, POLICY_NEW, &p);
	} else {
		finish_failed(f, in.letter == STS_FAILED && in.n == 1 ? in.field[0] :
		                 "the policy's fetcher talks nonsense");
	}
}

static void
fetch(struct find *f)
{
	static const struct timeval patience = { LIMIT_STS_FETCH + 5, 0 };
	static struct packet p;

	f->conn = helper_connect(&f->site->sts);
	if (f->conn == -1) {
		finish_failed(f, strerror(errno));
		return;
	}
	packet_start(&p, STS_FETCH);
	packet_add(&p, f->domain);
	for (unsigned i = 0; i < f->n; i++) {
		char buf[48];
		struct text t;

		text_init(&t, buf, sizeof buf);
		ip_text(&t, &f->address[i]);
		packet_add(&p, buf);
	}
	f->ready = event_new(f->site->base, f->conn, EV_READ, on_fetched, f);
	if (f->ready == NULL || event_add(f->ready, &patience) == -1 ||
	    packet_send(f->conn, &p, -1) == -1)
		finish_failed(f, "the policy's fetcher cannot be asked");
}

/* A and AAAA; the answer's own security does not matter, HTTPS has another proof. */
static void
on_address(void *data, unsigned tag, const struct answer *a)
{
	struct find *f = data;

	(void)tag;
	for (unsigned i = 0; a->status == ANSWER_GOOD && i < a->n && f->n < STS_ADDRESSES; i++) {
		struct ip *ip = &f->address[f->n];

		if (a->record[i].len == 4)
			ip_from_ipv4(ip, a->record[i].data);
		else if (a->record[i].len == 16 && f->site->have_ipv6)
			*ip = (struct ip){ .known = true };
		else
			continue;
		if (a->record[i].len == 16)
			memcpy(ip->octets, a->record[i].data, 16);
		f->n++;
	}
	if (++f->answers < 2)
		return;
	if (f->n > 0)
		fetch(f);
	else
		finish_failed(f, "the policy's host has no address");
}

/* RFC 8461 3.1: exactly one record, else it is as if there were none. */
static bool
find_id(const struct answer *a, char id[STS_ID + 1])
{
	unsigned n = 0;
	bool good = false;

	for (unsigned i = 0; i < a->n; i++) {
		char other[STS_ID + 1];
		enum sts_record r = sts_parse_record((const char *)a->record[i].data,
		                                     a->record[i].len, other);

		n += r != STS_RECORD_OTHER;
		good |= r == STS_RECORD_GOOD;
		if (r == STS_RECORD_GOOD)
			memcpy(id, other, sizeof other);
	}
	return n == 1 && good;
}

static void
on_record(void *data, unsigned tag, const struct answer *a)
{
	static char host[LIMIT_DOMAIN + 16];
	struct find *f = data;
	struct text t;

	(void)tag;
	if (a->status != ANSWER_GOOD || !find_id(a, f->id) || has_failed(f->domain) ||
	    (f->has_kept && strcmp(f->id, f->kept.id) == 0 &&
	     !sts_is_stale(&f->kept, (uint64_t)clock_now()))) {
		finish_kept(f);
		return;
	}
	text_init(&t, host, sizeof host);
	text_add(&t, "mta-sts.");
	text_add(&t, f->domain);
	dns_ask(f->site->dns, host, RR_A, on_address, f, 0);
	dns_ask(f->site->dns, host, RR_AAAA, on_address, f, 0);
}

void
policy_find(const struct site *site, const char *domain, const char *kept,
            policy_done *done, void *data)
{
	static char name[LIMIT_DOMAIN + 16];
	struct find *f = site->sts.feed != -1 ? calloc(1, sizeof *f) : NULL;
	struct text t;

	if (f == NULL || !text_copy(f->domain, sizeof f->domain, domain)) {
		free(f);
		done(data, POLICY_NONE, NULL);
		return;
	}
	f->site = site;
	f->done = done;
	f->data = data;
	f->conn = -1;
	f->has_kept = sts_read(kept, &f->kept);
	text_init(&t, name, sizeof name);
	text_add(&t, "_mta-sts.");
	text_add(&t, domain);
	dns_ask(site->dns, name, RR_TXT, on_record, f, 0);
}
