/* See answer.h. The C library's message parser walks the packet (resolver(3)). */
#include "relay/answer.h"

#include <arpa/nameser.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/address.h"
#include "base/text.h"

#define ALIASES 10 /* in a chain */

void
answer_fail(struct answer *a, enum answer_status status, const char *why)
{
	a->status = status;
	a->secure = false;
	a->n = 0;
	a->used = 0;
	a->name[0] = '\0';
	(void)snprintf(a->why, sizeof a->why, "%s", why); /* for people: may be cut */
}

/* A copy of octets, or NULL where no room is left. */
static unsigned char *
keep(struct answer *a, const void *data, size_t len)
{
	unsigned char *out = a->data + a->used;

	if (len > sizeof a->data - a->used)
		return NULL;
	memcpy(out, data, len);
	a->used += len;
	return out;
}

/* The name at `at` of the message as a host's name; "" for the root, false for others. */
static bool
read_name(const ns_msg *m, const unsigned char *at, char out[LIMIT_DOMAIN + 1])
{
	char text[NS_MAXDNAME];

	if (dn_expand(ns_msg_base(*m), ns_msg_end(*m), at, text, sizeof text) == -1)
		return false;
	if (strcmp(text, ".") == 0)
		text[0] = '\0';
	if (!text_copy(out, LIMIT_DOMAIN + 1, text))
		return false;
	for (char *c = out; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return true;
}

/* A name that stands `before` octets into the data. */
static void
take_name(struct answer *a, const ns_msg *m, const ns_rr *rr, size_t before)
{
	struct answer_record *r = &a->record[a->n];
	char name[LIMIT_DOMAIN + 1];

	/* dn_expand() writes what no host is called with a backslash. */
	if (read_name(m, ns_rr_rdata(*rr) + before, name) &&
	    (name[0] == '\0' || is_domain(name, strlen(name))))
		r->name = (const char *)keep(a, name, strlen(name) + 1);
	a->n++;
}

static void
take_mx(struct answer *a, const ns_msg *m, const ns_rr *rr)
{
	if (ns_rr_rdlen(*rr) < 3)
		return;
	a->record[a->n].preference = ns_get16(ns_rr_rdata(*rr));
	take_name(a, m, rr, 2);
}

/* RFC 1035 3.3.14: character-strings, each with its length before it. */
static void
take_txt(struct answer *a, const unsigned char *data, size_t len)
{
	struct answer_record *r = &a->record[a->n];
	unsigned char joined[ANSWER_DATA];
	size_t n = 0;

	for (size_t at = 0; at < len; at += 1U + data[at]) {
		if (data[at] > len - at - 1)
			return;
		memcpy(joined + n, data + at + 1, data[at]);
		n += data[at];
	}
	r->data = keep(a, joined, n);
	r->len = n;
	a->n += r->data != NULL;
}

static void
take(struct answer *a, const ns_msg *m, const ns_rr *rr, int type)
{
	struct answer_record *r = &a->record[a->n];
	size_t len = ns_rr_rdlen(*rr);

	memset(r, 0, sizeof *r);
	if (type == RR_MX) {
		take_mx(a, m, rr);
	} else if (type == RR_PTR) {
		if (len > 0)
			take_name(a, m, rr, 0);
	} else if (len > ANSWER_DATA) {
		return;
	} else if (type == RR_TXT) {
		take_txt(a, ns_rr_rdata(*rr), len);
	} else if (type == RR_TLSA ? len > 3 : len == (type == RR_A ? 4U : 16U)) {
		r->data = keep(a, ns_rr_rdata(*rr), len);
		r->len = len;
		a->n += r->data != NULL;
	}
}

/* Where an alias leads: 1; 0: the name has none; -1: the message is broken. */
static int
follow(ns_msg *m, char name[LIMIT_DOMAIN + 1])
{
	for (int i = 0; i < ns_msg_count(*m, ns_s_an); i++) {
		ns_rr rr;

		if (ns_parserr(m, ns_s_an, i, &rr) == -1)
			return -1;
		if ((int)ns_rr_type(rr) == RR_CNAME && strcasecmp(ns_rr_name(rr), name) == 0)
			return read_name(m, ns_rr_rdata(rr), name) ? 1 : -1;
	}
	return 0;
}

static bool
read_records(struct answer *a, ns_msg *m, int type)
{
	int r = 1;

	for (int i = 0; i < ALIASES && r == 1; i++)
		r = follow(m, a->name);
	if (r != 0)
		return false; /* a circle, or broken */
	for (int i = 0; i < ns_msg_count(*m, ns_s_an) && a->n < ANSWER_RECORDS; i++) {
		ns_rr rr;

		if (ns_parserr(m, ns_s_an, i, &rr) == -1)
			return false;
		if (ns_rr_class(rr) == ns_c_in && (int)ns_rr_type(rr) == type &&
		    strcasecmp(ns_rr_name(rr), a->name) == 0)
			take(a, m, &rr, type);
	}
	return true;
}

void
answer_read(struct answer *a, const unsigned char *packet, size_t len, const char *name,
            int type)
{
	ns_msg m;
	int rcode;

	answer_fail(a, ANSWER_FAILED, "a broken answer");
	if (len > NS_MAXMSG || ns_initparse(packet, (int)len, &m) == -1)
		return;
	rcode = ns_msg_getflag(m, ns_f_rcode);
	if (rcode != ns_r_noerror && rcode != ns_r_nxdomain) {
		(void)text_copy(a->why, sizeof a->why, rcode == ns_r_servfail ?
		                "the name servers do not answer" : "the name servers refuse");
		return;
	}
	if (!text_copy(a->name, sizeof a->name, name) || !read_records(a, &m, type)) {
		answer_fail(a, ANSWER_FAILED, "a broken answer");
		return;
	}
	a->why[0] = '\0';
	a->status = rcode == ns_r_nxdomain ? ANSWER_NO_NAME : ANSWER_GOOD;
	if (rcode == ns_r_nxdomain)
		a->n = 0;
}
