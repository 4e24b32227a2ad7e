/*
 * postern check --dns: what DNS says of this host and of the domains served here, and what
 * to publish where it is wrong. The program `dns` asks; nothing here touches the network.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "admin/check.h"
#include "admin/dns_batch.h"
#include "admin/say.h"
#include "admin/tool.h"
#include "base/ip.h"
#include "base/sts.h"

/* -- the host ------------------------------------------------------------------- */

/* 4.3.2.1.in-addr.arpa (RFC 1035 3.5), or nibbles in ip6.arpa (RFC 3596 2.5). */
static void
reverse_name(char out[LIMIT_DOMAIN + 1], const struct ip *ip, bool is_ip6)
{
	static const char hex[] = "0123456789abcdef";
	struct text t;

	text_init(&t, out, LIMIT_DOMAIN + 1);
	for (int i = 15; i >= (is_ip6 ? 0 : 12); i--) {
		if (is_ip6) {
			text_addc(&t, hex[ip->octets[i] & 15]);
			text_addc(&t, '.');
			text_addc(&t, hex[ip->octets[i] >> 4]);
		} else {
			text_addu(&t, ip->octets[i]);
		}
		text_addc(&t, '.');
	}
	text_add(&t, is_ip6 ? "ip6.arpa" : "in-addr.arpa");
}

static void
ask_reverse(struct dns_batch *b, const struct dns_answer *addresses, bool is_ip6)
{
	char name[LIMIT_DOMAIN + 1];
	struct ip ip;

	for (unsigned i = 0; i < addresses->n; i++) {
		if (!parse_ip(addresses->record[i], &ip))
			continue;
		reverse_name(name, &ip, is_ip6);
		(void)batch_ask(b, "PTR", "", name);
	}
}

static void
check_reverse(struct dns_batch *b, unsigned i, const char *host)
{
	const struct dns_answer *d = &b->answer[i];
	bool found = false;

	for (unsigned k = 0; k < d->n; k++)
		found |= strcasecmp(d->record[k], host) == 0;
	if (d->good && !found)
		finding(b->out, CHECK_WARNING, b->name[i], "%s %s, not to %s: many hosts take no "
		        "mail from such an address" ADVICE "have whoever gave you the address publish: "
		        "%s. PTR %s.", d->n > 0 ? "it points to" : "it has no PTR record, so it "
		        "points to nothing", d->n > 0 ? d->record[0] : "", host, b->name[i], host);
}

/* The TLSA data of our certificates, as `tls show` prints them: "3 1 1 hex". */
#define OWN_TLSA (LIMIT_TLS_NAMES * LIMIT_CERTS)
struct own_tlsa {
	unsigned n;
	char data[OWN_TLSA][160];
};

static void
read_own(struct own_tlsa *own, const struct admin *a)
{
	const char *const argv[] = { "tls", "show", "-c", a->file, NULL };
	const char *key, *value;
	struct tool t;

	own->n = 0;
	/* What is wrong with the files another part of the check has told. */
	if (tool_run(&t, "tls", argv, -1) == DONE && t.code == 0)
		while (tool_next(&t, &key, &value))
			if (key != NULL && strcmp(key, "tlsa") == 0 && own->n < OWN_TLSA &&
			    text_copy(own->data[own->n], sizeof own->data[0], value))
				own->n++;
	tool_free(&t);
}

/*
 * Does one of the records name a certificate of ours? One of another sort than 3 1 1
 * cannot be compared here, and is believed.
 */
static bool
has_certificate(const struct dns_answer *d, const struct own_tlsa *own)
{
	bool found = own->n == 0;

	for (unsigned i = 0; i < d->n; i++) {
		found |= strncmp(d->record[i], "3 1 1 ", 6) != 0;
		for (unsigned k = 0; k < own->n; k++)
			found |= strcasecmp(own->data[k], d->record[i]) == 0;
	}
	return found;
}

/* True where DANE (RFC 7672) protects mail to this host. */
static bool
check_tlsa(struct dns_batch *b, unsigned i)
{
	const struct dns_answer *d = &b->answer[i];
	const struct conf *c = &b->a->conf;
	struct own_tlsa own = { .n = 0 };

	if (d->n == 0)
		return false;
	if (c->tls)
		read_own(&own, b->a);
	if (!c->tls)
		finding(b->out, CHECK_ERROR, b->name[i], "it promises TLS, and there is no tls-cert: "
		        "senders that know DANE keep their mail" ADVICE "set tls-cert, or remove the "
		        "record");
	else if (!d->secure)
		finding(b->out, CHECK_WARNING, b->name[i], "its zone is not signed, so nobody believes "
		        "it" ADVICE "sign the zone with DNSSEC");
	else if (!has_certificate(d, &own))
		finding(b->out, CHECK_ERROR, b->name[i], "no record is of the certificate here: senders "
		        "that know DANE keep their mail" ADVICE "publish: %s. TLSA %s", b->name[i],
		        own.data[0]);
	return d->secure && c->tls;
}

/* -- a domain ------------------------------------------------------------------- */

static const char *
mx_name(const char *record)
{
	const char *blank = strchr(record, ' ');

	return blank != NULL ? blank + 1 : "";
}

static void
check_mx(struct dns_batch *b, const char *domain, const struct dns_answer *d)
{
	const char *host = b->a->conf.hostname;
	bool found = false;

	if (!d->good)
		return;
	if (d->n == 0) {
		finding(b->out, CHECK_ERROR, domain, "it has no MX record, so mail goes to its own "
		        "address if there is one" ADVICE "publish: %s. MX 10 %s.", domain, host);
		return;
	}
	if (d->n == 1 && strcmp(mx_name(d->record[0]), ".") == 0) {
		finding(b->out, CHECK_ERROR, domain, "its MX record says that it takes no mail "
		        "(RFC 7505)" ADVICE "publish instead: %s. MX 10 %s.", domain, host);
		return;
	}
	for (unsigned i = 0; i < d->n; i++)
		found |= strcasecmp(mx_name(d->record[i]), host) == 0;
	if (!found)
		finding(b->out, CHECK_WARNING, domain, "none of its MX records leads to %s, so its mail "
		        "goes to %s" ADVICE "publish: %s. MX 10 %s. Or, if that host sends it on to "
		        "here, leave it", host, mx_name(d->record[0]), domain, host);
}

static bool
begins(const char *s, const char *word)
{
	return strncasecmp(s, word, strlen(word)) == 0;
}

/* RFC 7208: one record, which does not allow everybody. */
static void
check_spf(struct dns_batch *b, const char *domain, const struct dns_answer *d)
{
	const char *spf = NULL;
	unsigned n = 0;

	for (unsigned i = 0; i < d->n; i++)
		if (begins(d->record[i], "v=spf1") &&
		    (d->record[i][6] == ' ' || d->record[i][6] == '\0')) {
			spf = d->record[i];
			n++;
		}
	if (!d->good)
		return;
	if (n == 0)
		finding(b->out, CHECK_WARNING, domain, "it has no SPF record: anybody may send in its "
		        "name, and its own mail is trusted less" ADVICE "publish: %s. TXT \"v=spf1 mx "
		        "a:%s -all\"", domain, b->a->conf.hostname);
	else if (n > 1)
		finding(b->out, CHECK_ERROR, domain, "it has %u SPF records, so none counts (RFC 7208 "
		        "3.2)" ADVICE "make one of them", n);
	else if (strstr(spf, "+all") != NULL || strstr(spf, " all") != NULL)
		finding(b->out, CHECK_WARNING, domain, "its SPF record allows everybody" ADVICE
		        "let it end in -all instead");
}

static void
check_dmarc(struct dns_batch *b, const char *domain, unsigned i)
{
	const struct dns_answer *d = &b->answer[i];
	unsigned n = 0;

	for (unsigned k = 0; k < d->n; k++)
		n += begins(d->record[k], "v=DMARC1");
	if (d->good && n != 1)
		finding(b->out, CHECK_WARNING, domain, n == 0 ? "it has no DMARC record: nobody learns "
		        "what to do with mail in its name that it has not sent" ADVICE "publish: %s. "
		        "TXT \"v=DMARC1; p=none; rua=mailto:postmaster@%s\"" :
		        "it has several DMARC records, so none counts" ADVICE "leave one at %s, with "
		        "reports to an address in %s", b->name[i], domain);
}

/* RFC 8461 3: true where there is a record, good or not. */
static bool
check_sts(struct dns_batch *b, const char *domain, const struct dns_answer *record,
          const struct dns_answer *a, const struct dns_answer *aaaa)
{
	char id[STS_ID + 1];
	bool good = false, any = false;

	for (unsigned i = 0; i < record->n; i++) {
		enum sts_record r = sts_parse_record(record->record[i], strlen(record->record[i]), id);

		any |= r != STS_RECORD_OTHER;
		good |= r == STS_RECORD_GOOD;
	}
	if (any && !good)
		finding(b->out, CHECK_ERROR, domain, "its MTA-STS record is broken (RFC 8461 3.1)" ADVICE
		        "publish: _mta-sts.%s. TXT \"v=STSv1; id=1;\"", domain);
	else if (any && a->good && aaaa->good && a->n + aaaa->n == 0)
		finding(b->out, CHECK_ERROR, domain, "it has an MTA-STS record, and mta-sts.%s, which "
		        "must serve the policy by HTTPS, has no address" ADVICE "publish an address for "
		        "it, or remove the record", domain);
	return any;
}

/* Every MX name must have an address, and be no alias (RFC 5321 5.1, RFC 2181 10.3). */
static void
check_exchangers(struct dns_batch *b, const char *domain, char names[][LIMIT_DOMAIN + 1],
                 unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned a = batch_find(b, "A", names[i]);
		unsigned aaaa = batch_find(b, "AAAA", names[i]);
		const struct dns_answer *d = &b->answer[a];

		if (a == DNS_QUESTIONS || aaaa == DNS_QUESTIONS || !d->good || !b->answer[aaaa].good)
			continue;
		if (d->n + b->answer[aaaa].n == 0)
			finding(b->out, CHECK_ERROR, domain, "its MX %s has no address" ADVICE "publish "
			        "one, or remove the MX record", names[i]);
		else if (d->n > 0 && strcasecmp(d->at, names[i]) != 0)
			finding(b->out, CHECK_WARNING, domain, "its MX %s is an alias of %s, which RFC 2181 "
			        "10.3 forbids" ADVICE "publish: %s. MX 10 %s.", names[i], d->at, domain,
			        d->at);
	}
}

static int
check_domain_dns(struct dns_batch *b, const char *domain, bool dane)
{
	char names[DNS_RECORDS][LIMIT_DOMAIN + 1];
	unsigned mx, txt, dmarc, sts, a, aaaa, n = 0;
	bool has_sts;
	int r;

	batch_start(b);
	mx = batch_ask(b, "MX", "", domain);
	txt = batch_ask(b, "TXT", "", domain);
	dmarc = batch_ask(b, "TXT", "_dmarc.", domain);
	sts = batch_ask(b, "TXT", "_mta-sts.", domain);
	a = batch_ask(b, "A", "mta-sts.", domain);
	aaaa = batch_ask(b, "AAAA", "mta-sts.", domain);
	r = batch_send(b);
	if (r != DONE)
		return r;
	check_mx(b, domain, &b->answer[mx]);
	check_spf(b, domain, &b->answer[txt]);
	check_dmarc(b, domain, dmarc);
	has_sts = check_sts(b, domain, &b->answer[sts], &b->answer[a], &b->answer[aaaa]);
	if (b->a->conf.tls && !dane && !has_sts && b->answer[sts].good)
		finding(b->out, CHECK_WARNING, domain, "neither DANE nor MTA-STS keeps others from "
		        "reading its mail on the way" ADVICE "sign the zone and publish what `postern "
		        "tls show` says at TLSA, or publish an MTA-STS policy (RFC 8461)");
	for (unsigned i = 0; i < b->answer[mx].n && n < DNS_RECORDS; i++)
		if (strcmp(mx_name(b->answer[mx].record[i]), ".") != 0 &&
		    text_copy(names[n], sizeof names[n], mx_name(b->answer[mx].record[i])))
			n++;
	batch_start(b);
	for (unsigned i = 0; i < n; i++) {
		(void)batch_ask(b, "A", "", names[i]);
		(void)batch_ask(b, "AAAA", "", names[i]);
	}
	r = batch_send(b);
	if (r == DONE)
		check_exchangers(b, domain, names, n);
	return r;
}

static int
check_domains_dns(struct dns_batch *b, bool dane)
{
	int fd = dup(b->a->domains);
	DIR *d = fd != -1 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	char domain[LIMIT_NAME + 1];
	int r = DONE;

	if (d == NULL)
		return say_failed(errno, "%s", b->a->conf.domains);
	rewinddir(d); /* another part of the check may have read it */
	while (r == DONE && (e = readdir(d)) != NULL) {
		size_t len = strlen(e->d_name);

		if (e->d_name[0] == '.' || len < 6 || strcmp(e->d_name + len - 5, ".conf") != 0)
			continue;
		memcpy(domain, e->d_name, len - 5);
		domain[len - 5] = '\0';
		r = check_domain_dns(b, domain, dane);
	}
	(void)closedir(d); /* only read */
	return r;
}

static int
check_host(struct dns_batch *b, bool *dane)
{
	const char *host = b->a->conf.hostname;
	struct dns_answer *own = calloc(2, sizeof *own);
	unsigned a, aaaa, tlsa;
	int r;

	if (own == NULL)
		return say_failed(errno, "memory");
	batch_start(b);
	a = batch_ask(b, "A", "", host);
	aaaa = batch_ask(b, "AAAA", "", host);
	tlsa = batch_ask(b, "TLSA", "_25._tcp.", host);
	r = batch_send(b);
	if (r == DONE) {
		*dane = check_tlsa(b, tlsa);
		own[0] = b->answer[a];
		own[1] = b->answer[aaaa];
		if (own[0].good && own[1].good && own[0].n + own[1].n == 0)
			finding(b->out, CHECK_ERROR, host, "the host's name has no address" ADVICE
			        "publish: %s. A ADDRESS, or set hostname to the name it has", host);
		batch_start(b);
		ask_reverse(b, &own[0], false);
		ask_reverse(b, &own[1], true);
		r = batch_send(b);
	}
	for (unsigned i = 0; i < b->n && r == DONE; i++)
		check_reverse(b, i, host);
	free(own);
	return r;
}

int
check_dns(const struct admin *a, struct rows *out)
{
	struct dns_batch *b = calloc(1, sizeof *b);
	bool dane = false;
	int r;

	if (b == NULL)
		return say_failed(errno, "memory");
	b->a = a;
	b->out = out;
	r = check_host(b, &dane);
	if (r == DONE)
		r = check_domains_dns(b, dane);
	free(b);
	return r;
}
