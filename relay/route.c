/* See route.h. The router is taken for hostile: it reads what the network sends. */
#include "relay/route.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/ip.h"
#include "base/name.h"
#include "base/num.h"
#include "base/packet.h"
#include "base/routing.h"
#include "base/sts.h"

/* As of the router's own limits, with room for a busy machine. */
#define PATIENCE_MS ((LIMIT_ROUTE + 10) * 1000)

/* Where policies are kept, and whose. */
struct kept {
	int dir;                      /* -1: nowhere */
	char name[LIMIT_NAME + 1];
	char text[LIMIT_STS + 1];
};

/* -- the kept policies -------------------------------------------------------------------- */

int
route_open_kept(int state)
{
	/* There already, mostly; what else is wrong the next call says. */
	(void)mkdirat(state, "sts", 0700);
	return openat(state, "sts", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static void
read_kept(struct kept *k)
{
	struct sts_policy p;
	ssize_t n;
	int fd;

	k->text[0] = '\0';
	if (k->dir == -1)
		return;
	fd = openat(k->dir, k->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd == -1)
		return;
	n = read(fd, k->text, sizeof k->text);
	(void)close(fd); /* only read */
	if (n < 0 || (size_t)n == sizeof k->text)
		n = 0;
	k->text[n] = '\0';
	if (strlen(k->text) != (size_t)n || !sts_read(k->text, &p))
		k->text[0] = '\0'; /* damaged: as if there were none, and written anew */
}

/*
 * Replaced as a whole. Not synced: what a crash loses is asked for again. One runner has
 * the domain, so the name with a "+" (which no domain has) is its own.
 */
static void
write_kept(const struct kept *k, const char *text)
{
	char temporary[LIMIT_NAME + 2];
	struct sts_policy p;
	size_t len = strlen(text);
	struct text t;
	bool good;
	int fd;

	if (k->dir == -1)
		return;
	if (!sts_read(text, &p)) {
		(void)unlinkat(k->dir, k->name, 0); /* "": there is none any more */
		return;
	}
	text_init(&t, temporary, sizeof temporary);
	text_addc(&t, '+');
	text_add(&t, k->name);
	fd = openat(k->dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		return; /* a cache: the next run fetches again */
	good = write(fd, text, len) == (ssize_t)len;
	if (close(fd) == -1 || !good || renameat(k->dir, temporary, k->dir, k->name) == -1)
		(void)unlinkat(k->dir, temporary, 0); /* the next one overwrites it */
}

/* -- what the router says ------------------------------------------------------------------ */

static const char *const policies[] = {
	[ROUTE_POLICY_NONE] = "",
	[ROUTE_POLICY_DANE] = "dane",
	[ROUTE_POLICY_STS_ENFORCE] = "sts-enforce",
	[ROUTE_POLICY_STS_TESTING] = "sts-testing",
};

static bool
parse_policy(const char *s, enum route_policy *policy)
{
	for (unsigned i = 0; i < sizeof policies / sizeof policies[0]; i++)
		if (strcmp(s, policies[i]) == 0) {
			*policy = (enum route_policy)i;
			return true;
		}
	return false;
}

static bool
is_host(const char *s)
{
	return is_domain(s, strlen(s)) && !has_utf8(s);
}

/* Several hosts, separated by blanks; or nothing. */
static bool
is_names(const char *s)
{
	while (*s != '\0') {
		size_t len = strcspn(s, " ");

		if (!is_domain(s, len))
			return false;
		s += len;
		s += *s == ' ';
	}
	return true;
}

/* Takes one hop without its records; their number goes to *records. */
static bool
take_hop(struct route *r, const struct packet *p, uint64_t *records)
{
	struct route_hop *h = &r->hop[r->n];
	uint64_t port, preference;
	struct ip ip;

	if (p->n != 8 || r->n == LIMIT_HOPS)
		return false;
	*h = (struct route_hop){ .secure = strcmp(p->field[4], "yes") == 0 };
	if (!parse_ip(p->field[0], &ip) || !text_copy(h->address, sizeof h->address, p->field[0]) ||
	    !parse_u64(p->field[1], 65535, &port) || port == 0 ||
	    (p->field[2][0] != '\0' && !is_host(p->field[2])) ||
	    !text_copy(h->host, sizeof h->host, p->field[2]) ||
	    !parse_u64(p->field[3], 65535, &preference) || !parse_policy(p->field[5], &h->policy) ||
	    !is_names(p->field[6]) || !text_copy(h->names, sizeof h->names, p->field[6]) ||
	    !parse_u64(p->field[7], LIMIT_TLSA, records))
		return false;
	h->port = (unsigned)port;
	h->preference = (unsigned)preference;
	r->n++;
	return true;
}

/* "3 1 1 hex" */
static bool
is_record(const char *s)
{
	static const char form[] = "d d d ";
	size_t len;

	for (int i = 0; i < 6; i++)
		if (form[i] == 'd' ? s[i] < '0' || s[i] > '3' : s[i] != ' ')
			return false;
	len = strlen(s + 6);
	return len > 0 && len % 2 == 0 && strspn(s + 6, "0123456789abcdef") == len;
}

static bool
take_record(struct route *r, const struct packet *p)
{
	struct route_hop *h = &r->hop[r->n - 1];
	size_t len = p->n == 1 ? strlen(p->field[0]) + 1 : 0;

	/* Addresses of one server have the same records. */
	if (len == 0 || !is_record(p->field[0]))
		return false;
	if (r->n > 1 && strcmp(r->hop[r->n - 2].host, h->host) == 0 &&
	    h->n_tlsa < r->hop[r->n - 2].n_tlsa &&
	    strcmp(r->hop[r->n - 2].tlsa[h->n_tlsa], p->field[0]) == 0) {
		h->tlsa[h->n_tlsa] = r->hop[r->n - 2].tlsa[h->n_tlsa];
	} else {
		if (len > sizeof r->records - r->len)
			return false;
		memcpy(r->records + r->len, p->field[0], len);
		h->tlsa[h->n_tlsa] = r->records + r->len;
		r->len += len;
	}
	h->n_tlsa++;
	return true;
}

static bool
is_enhanced(const char *s, char class)
{
	return s[0] == class && s[1] == '.' && strlen(s) < sizeof ((struct route *)0)->code &&
	       strspn(s + 1, ".0123456789") == strlen(s + 1);
}

static enum route_result
give_up(struct route *r, const char *why, int err)
{
	r->n = 0;
	(void)text_copy(r->code, sizeof r->code, "4.3.0");
	(void)text_copy(r->text, sizeof r->text, why);
	errno = err;
	return ROUTE_TEMPORARY;
}

/* The next packet; false: too late, or the router is gone. */
static bool
next_packet(int boundary, struct packet *p, int64_t deadline)
{
	struct pollfd ready = { boundary, POLLIN, 0 };
	int64_t left;
	int r;

	do {
		left = deadline - clock_ms();
		r = left > 0 ? poll(&ready, 1, (int)left) : 0;
	} while (r == -1 && errno == EINTR);
	if (r <= 0) {
		errno = r == 0 ? ETIMEDOUT : errno;
		return false;
	}
	r = packet_recv(boundary, p);
	if (r == 0)
		errno = ECONNRESET;
	else if (r == 1)
		packet_close_fds(p); /* none belongs here */
	return r == 1;
}

/* The last word: whose result it is, or nonsense. */
static enum route_result
take_end(struct route *r, const struct packet *p)
{
	if (p->letter == ROUTE_END && p->n == 0 && r->n > 0)
		return ROUTE_GOOD;
	if ((p->letter != ROUTE_NEVER && p->letter != ROUTE_LATER) || p->n != 2 ||
	    !is_enhanced(p->field[0], p->letter) || !text_copy(r->code, sizeof r->code, p->field[0]))
		return give_up(r, "the router talks nonsense", EPROTO);
	r->n = 0;
	r->text[0] = '\0';
	for (size_t i = 0; p->field[1][i] != '\0' && i + 1 < sizeof r->text; i++) {
		/* It may quote what a name server wrote. */
		r->text[i] = p->field[1][i] >= ' ' && p->field[1][i] <= '~' ? p->field[1][i] : '?';
		r->text[i + 1] = '\0';
	}
	return p->letter == ROUTE_NEVER ? ROUTE_PERMANENT : ROUTE_TEMPORARY;
}

static enum route_result
read_route(struct route *r, int boundary, const struct kept *kept)
{
	static struct packet p;
	int64_t deadline = clock_ms() + PATIENCE_MS;
	uint64_t records = 0;

	for (;;) {
		bool good = true;

		if (!next_packet(boundary, &p, deadline))
			return give_up(r, "the router does not answer", errno);
		if (p.letter == ROUTE_TLSA)
			good = records-- > 0 && take_record(r, &p);
		else if (records > 0)
			good = false;
		else if (p.letter == ROUTE_HOP)
			good = take_hop(r, &p, &records);
		else if (p.letter == ROUTE_STS && p.n == 1)
			write_kept(kept, p.field[0]);
		else
			return take_end(r, &p);
		if (!good)
			return give_up(r, "the router talks nonsense", EPROTO);
	}
}

static enum route_result
ask(struct route *r, int boundary, struct packet *p, const struct kept *kept)
{
	r->n = 0;
	r->len = 0;
	r->code[0] = r->text[0] = '\0';
	if (packet_send(boundary, p, -1) == -1)
		return give_up(r, "the router has ended", errno);
	return read_route(r, boundary, kept);
}

enum route_result
route_mx(struct route *r, int boundary, const char *domain, int sts)
{
	static struct kept kept;
	static struct packet p;

	/* A literal has no policy. */
	kept.dir = domain[0] != '[' && name_domain(kept.name, domain) ? sts : -1;
	read_kept(&kept);
	packet_start(&p, ROUTE_MX);
	packet_add(&p, domain);
	packet_add(&p, kept.text);
	return ask(r, boundary, &p, &kept);
}

enum route_result
route_host(struct route *r, int boundary, const char *host, unsigned port)
{
	static const struct kept none = { .dir = -1 };
	static struct packet p;

	packet_start(&p, ROUTE_HOST);
	packet_add(&p, host);
	packet_addu(&p, port);
	return ask(r, boundary, &p, &none);
}
