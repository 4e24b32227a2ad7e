/* See dns.h. libunbound has the cache, the retries and DNSSEC. */
#include "relay/dns.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unbound.h>
#include <unbound-event.h>
#include <unistd.h>

#include "base/log.h"

struct dns {
	struct ub_ctx *ctx;
	struct event_base *base;
	struct timeval patience;
};

struct question {
	char name[LIMIT_DOMAIN + 1];
	int type;
	dns_done *done;      /* NULL: it was answered, and libunbound is still at it */
	void *data;
	unsigned tag;
	struct event *timer;
};

/* Of the question whose answer is being told. */
static struct answer answer;

static const char *const anchors[] = {
	"/usr/share/dns/root.key", /* dns-root-data */
	"/var/lib/unbound/root.key",
	"/etc/unbound/root.key",
};

static bool
failed(const char *what, int error)
{
	struct log_line l;

	log_start(&l, "error");
	log_field(&l, "what", what);
	log_field(&l, "error", error == UB_READFILE && errno != 0 ? strerror(errno) :
	                       ub_strerror(error));
	log_send(&l, LOG_LEVEL_ERROR);
	return false;
}

static const char *
find_anchor(const struct conf *c)
{
	if (strcmp(c->dns_anchor, "none") == 0)
		return NULL;
	if (c->dns_anchor[0] != '\0')
		return c->dns_anchor;
	for (size_t i = 0; i < sizeof anchors / sizeof anchors[0]; i++)
		if (access(anchors[i], R_OK) == 0)
			return anchors[i];
	return NULL;
}

static bool
set_options(struct dns *d, bool have_ipv6)
{
	static const char *const options[][2] = {
		{ "outgoing-range:", "256" },  /* questions on their way at once */
		{ "num-queries-per-thread:", "1024" },
		{ "msg-cache-size:", "4m" },
		{ "rrset-cache-size:", "8m" },
		{ "module-config:", "validator iterator" },
		/* Connected sockets: the kernel drops answers of others, we hear of refusals. */
		{ "udp-connect:", "yes" },
		{ "tcp-idle-timeout:", "5000" },
	};
	int r = 0;

	for (size_t i = 0; i < sizeof options / sizeof options[0] && r == 0; i++)
		r = ub_ctx_set_option(d->ctx, options[i][0], options[i][1]);
	if (r == 0 && !have_ipv6)
		r = ub_ctx_set_option(d->ctx, "do-ip6:", "no");
	return r == 0 || failed("DNS options", r);
}

static bool
set_resolvers(struct dns *d, const struct conf *c)
{
	int r;

	for (unsigned i = 0; i < c->n_dns; i++)
		if ((r = ub_ctx_set_fwd(d->ctx, c->dns[i])) != 0)
			return failed("dns", r);
	/* Without one libunbound asks the name servers of the root itself. */
	if (c->n_dns == 0 && access("/etc/resolv.conf", R_OK) == 0 &&
	    (r = ub_ctx_resolvconf(d->ctx, NULL)) != 0)
		return failed("/etc/resolv.conf", r);
	if (access("/etc/hosts", R_OK) == 0 && (r = ub_ctx_hosts(d->ctx, NULL)) != 0)
		return failed("/etc/hosts", r);
	return true;
}

/* A dead file would only be found at the first question, and all of them would fail. */
static bool
set_anchor(struct dns *d, const struct conf *c)
{
	const char *file = find_anchor(c);
	int r;

	if (file == NULL)
		return true;
	if (access(file, R_OK) == -1) {
		log_error(file, errno);
		return false;
	}
	r = ub_ctx_add_ta_file(d->ctx, file);
	return r == 0 || failed(file, r);
}

static void
on_first(void *data, int rcode, void *packet, int len, int secure, char *why, int limited)
{
	(void)rcode;
	(void)packet;
	(void)len;
	(void)secure;
	(void)why;
	(void)limited;
	*(bool *)data = true;
}

/* The first question reads the files; this one needs no network. */
static bool
make_ready(struct dns *d)
{
	bool answered = false;
	int r;

	tzset();
	r = ub_resolve_event(d->ctx, "localhost", RR_A, ns_c_in, &answered, on_first, NULL);
	return r == 0 ? answered : failed("DNS cannot be used (resolvers, trust anchor)", r);
}

struct dns *
dns_open(const struct conf *c, struct event_base *base, bool have_ipv6)
{
	struct dns *d = calloc(1, sizeof *d);

	if (d == NULL || (d->ctx = ub_ctx_create_event(base)) == NULL) {
		log_error("DNS cannot be used", errno);
		free(d);
		return NULL;
	}
	d->base = base;
	d->patience.tv_sec = (time_t)c->dns_timeout;
	if (set_options(d, have_ipv6) && set_resolvers(d, c) && set_anchor(d, c) &&
	    make_ready(d))
		return d;
	ub_ctx_delete(d->ctx);
	free(d);
	return NULL;
}

static void
tell(struct question *q)
{
	dns_done *done = q->done;

	q->done = NULL;
	if (q->timer != NULL)
		event_free(q->timer);
	q->timer = NULL;
	done(q->data, q->tag, &answer);
}

static void
on_timeout(evutil_socket_t fd, short what, void *data)
{
	(void)fd;
	(void)what;
	answer_fail(&answer, ANSWER_FAILED, "no answer in time");
	tell(data); /* libunbound has q until it is done, too */
}

static void
on_answer(void *data, int rcode, void *packet, int len, int secure, char *why, int limited)
{
	struct question *q = data;

	(void)limited;
	if (q->done != NULL) {
		if (secure == 1)
			answer_fail(&answer, ANSWER_BOGUS, why != NULL ? why : "DNSSEC");
		else if (rcode != ns_r_noerror || packet == NULL || len <= 0)
			answer_fail(&answer, ANSWER_FAILED, "the name servers do not answer");
		else
			answer_read(&answer, packet, (size_t)len, q->name, q->type);
		answer.secure = secure == 2 && answer.status <= ANSWER_NO_NAME;
		tell(q);
	}
	free(q);
}

/* Nothing of ours may be in libunbound's hands then. */
static void
fail_now(struct question *q, const char *why)
{
	answer_fail(&answer, ANSWER_FAILED, why);
	tell(q);
	free(q);
}

void
dns_ask(struct dns *d, const char *name, int type, dns_done *done, void *data, unsigned tag)
{
	struct question *q = calloc(1, sizeof *q);

	if (q == NULL) {
		answer_fail(&answer, ANSWER_FAILED, "out of memory");
		done(data, tag, &answer);
		return;
	}
	q->type = type;
	q->done = done;
	q->data = data;
	q->tag = tag;
	q->timer = evtimer_new(d->base, on_timeout, q);
	if (!text_copy(q->name, sizeof q->name, name))
		fail_now(q, "the name is too long");
	else if (q->timer == NULL || event_add(q->timer, &d->patience) == -1)
		fail_now(q, "out of memory");
	else if (ub_resolve_event(d->ctx, name, type, ns_c_in, q, on_answer, NULL) != 0)
		fail_now(q, "the question cannot be asked");
}
