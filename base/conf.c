/* See conf.h. The tables of what may stand in a file; ini.c reads it. */
#include "base/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/mechanism.h"
#include "base/num.h"
#include "base/timed.h"

static bool
parse_domain_key(const struct ini_key *k, const struct ini_value *v)
{
	return is_domain(v->text, strlen(v->text)) && !has_utf8(v->text) &&
	       text_copy(v->base + k->offset, k->max, v->text);
}

static bool
parse_local_key(const struct ini_key *k, const struct ini_value *v)
{
	return v->text[0] != '\0' && is_address_safe(v->text, "") &&
	       text_copy(v->base + k->offset, k->max, v->text);
}

static bool
parse_address_key(const struct ini_key *k, const struct ini_value *v)
{
	return parse_address(v->text, (struct address *)(void *)(v->base + k->offset));
}

static bool
parse_networks_key(const struct ini_key *k, const struct ini_value *v)
{
	struct ip_nets *nets = (struct ip_nets *)(void *)(v->base + k->offset);
	const char *s = v->text;
	char word[64];

	while (ini_word(&s, word, sizeof word)) {
		if (nets->n == LIMIT_NETWORKS || !parse_ip_net(word, &nets->net[nets->n]))
			return false;
		nets->n++;
	}
	return true;
}

/* "50M", or "50M 1000": octets and messages. */
static bool
parse_quota_key(const struct ini_key *k, const struct ini_value *v)
{
	struct domain *d = (struct domain *)(void *)(v->base + k->offset);
	const char *s = v->text;
	char word[24];

	if (!ini_word(&s, word, sizeof word) || !parse_size(word, k->max, &d->quota))
		return false;
	if (ini_word(&s, word, sizeof word) &&
	    !parse_u64(word, k->max, &d->quota_messages))
		return false;
	return *s == '\0';
}

static bool
parse_order_key(const struct ini_key *k, const struct ini_value *v)
{
	bool *out = (void *)(v->base + k->offset);

	*out = strcmp(v->text, "response-challenge") == 0;
	return *out || strcmp(v->text, "challenge-response") == 0;
}

static bool
parse_mechanisms_key(const struct ini_key *k, const struct ini_value *v)
{
	unsigned *out = (void *)(v->base + k->offset);
	const char *s = v->text;
	char word[32];

	*out = 0;
	if (strcmp(s, "none") == 0)
		return true;
	while (ini_word(&s, word, sizeof word)) {
		unsigned bit = mechanism_by_name(word);

		if (bit == 0)
			return false;
		*out |= bit;
	}
	return *out != 0;
}

static bool
parse_sender_check_key(const struct ini_key *k, const struct ini_value *v)
{
	static const char *const words[] = { "no", "submission", "yes" };
	enum sender_check *out = (void *)(v->base + k->offset);

	for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(v->text, words[i]) == 0) {
			*out = (enum sender_check)i;
			return true;
		}
	return false;
}

static bool
parse_checkpoint_key(const struct ini_key *k, const struct ini_value *v)
{
	static const char *const words[] = { "no", "login", "all" };
	enum checkpoint *out = (void *)(v->base + k->offset);

	for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(v->text, words[i]) == 0) {
			*out = (enum checkpoint)i;
			return true;
		}
	return false;
}

/* "no", or the least time for mode R. */
static bool
parse_deliver_by_key(const struct ini_key *k, const struct ini_value *v)
{
	struct conf *c = (struct conf *)(void *)v->base;

	c->deliver_by = strcmp(v->text, "no") != 0;
	c->deliver_by_min = 0;
	return !c->deliver_by || ini_seconds(k, v);
}

static bool
parse_priority_key(const struct ini_key *k, const struct ini_value *v)
{
	struct conf_priority *p = (void *)(v->base + k->offset);

	p->offered = strcmp(v->text, "no") != 0;
	p->policy[0] = '\0';
	if (!p->offered || strcmp(v->text, "yes") == 0)
		return true;
	/* RFC 6710 3: a name as IANA lists them. */
	return v->text[0] != '\0' && text_copy(p->policy, sizeof p->policy, v->text) &&
	       p->policy[strspn(p->policy, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                        "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

static bool
parse_priority_logins_key(const struct ini_key *k, const struct ini_value *v)
{
	struct conf_priority *p = (void *)(v->base + k->offset);
	const char *s = v->text;
	char word[LIMIT_ADDRESS + 1];

	for (; ini_word(&s, word, sizeof word); p->n_logins++)
		if (p->n_logins == LIMIT_PRIORITY_LOGINS || word[0] == '\0' ||
		    !text_copy(p->login[p->n_logins], LIMIT_ADDRESS + 1, word))
			return false;
	return p->n_logins > 0;
}

static bool
parse_priority_over_key(const struct ini_key *k, const struct ini_value *v)
{
	struct conf_priority *p = (void *)(v->base + k->offset);

	p->refuse = strcmp(v->text, "refuse") == 0;
	return p->refuse || strcmp(v->text, "lower") == 0;
}

bool
conf_may_raise(const struct conf_priority *p, const char *login)
{
	const char *at = strrchr(login, '@');

	for (unsigned i = 0; i < p->n_logins && login[0] != '\0'; i++) {
		const char *one = p->login[i];

		if (strcmp(one, "*") == 0 || strcmp(one, login) == 0 ||
		    (one[0] == '@' && at != NULL && strcasecmp(one, at) == 0))
			return true;
	}
	return false;
}

/* -- certificates: counted for all, their paths kept for who asks (struct conf_tls) -- */

enum { CERT, KEY };

/* The identity of a section, "" the default one; NULL: too many, or no domain name. */
static struct conf_identity *
find_identity(struct conf_tls *t, const char *section)
{
	const char *name = strchr(section, ' ');
	struct conf_identity *id;

	name = name == NULL ? "" : name + strspn(name, " \t");
	if (name[0] != '\0' && (!is_domain(name, strlen(name)) || has_utf8(name)))
		return NULL;
	for (unsigned i = 0; i < t->n; i++)
		if (strcasecmp(t->at[i].name, name) == 0)
			return &t->at[i];
	if (t->n == LIMIT_TLS_NAMES)
		return NULL;
	id = &t->at[t->n++];
	id->certs = id->keys = 0;
	(void)text_copy(id->name, sizeof id->name, name); /* a domain fits */
	return id;
}

/* min says which of the two. */
static bool
parse_paths_key(const struct ini_key *k, const struct ini_value *v)
{
	struct conf *c = (struct conf *)(void *)v->base;
	struct conf_identity *id = find_identity(c->tls_files, v->section);
	unsigned *n = id == NULL ? NULL : k->min == CERT ? &id->certs : &id->keys;
	const char *s = v->text;
	char word[LIMIT_FILE];

	if (n == NULL || *n > 0)
		return false;
	for (; ini_word(&s, word, sizeof word); ++*n)
		if (*n == LIMIT_CERTS || word[0] == '\0' ||
		    !text_copy(k->min == CERT ? id->cert[*n] : id->key[*n], LIMIT_FILE, word))
			return false;
	c->tls |= *n > 0;
	return *n > 0;
}

/* Port 53 where none is said. */
static bool
parse_dns_key(const struct ini_key *k, const struct ini_value *v)
{
	struct conf *c = (struct conf *)(void *)v->base;
	const char *s = v->text;
	char word[LIMIT_RESOLVER + 1];

	(void)k;
	while (ini_word(&s, word, sizeof word)) {
		char *at = strchr(word, '@');
		uint64_t port = 53;
		struct text t;
		struct ip ip;

		if (at != NULL && (!parse_u64(at + 1, 65535, &port) || port == 0))
			return false;
		if (at != NULL)
			*at = '\0';
		if (c->n_dns == LIMIT_RESOLVERS || !parse_ip(word, &ip))
			return false;
		text_init(&t, c->dns[c->n_dns++], sizeof c->dns[0]);
		text_add(&t, word);
		text_addc(&t, '@');
		text_addu(&t, port);
		if (!text_ok(&t))
			return false;
	}
	return c->n_dns > 0;
}

static bool
parse_client_ca_key(const struct ini_key *k, const struct ini_value *v)
{
	struct conf *c = (struct conf *)(void *)v->base;

	(void)k;
	return v->text[0] != '\0' && text_copy(c->tls_files->client_ca, LIMIT_FILE, v->text);
}

static bool
parse_relay_key(const struct ini_key *k, const struct ini_value *v)
{
	return parse_relay(v->text, (struct next *)(void *)(v->base + k->offset));
}

static bool
parse_tls_key(const struct ini_key *k, const struct ini_value *v)
{
	return parse_next_tls(v->text, (enum next_tls *)(void *)(v->base + k->offset));
}

static bool
parse_relay_tls_key(const struct ini_key *k, const struct ini_value *v)
{
	((struct conf *)(void *)v->base)->relay_tls_said = true;
	return parse_tls_key(k, v);
}

#define NETWORKS "addresses or networks such as 192.0.2.0/24 2001:db8::/32, host bits zero"
#define PATHS "one or two paths, once, in a section [tls NAME] with a domain name"
#define TLS_WORDS "may, must, verify or never"
#define SOCKET "a path of at most 107 octets"
#define EXPIRE_MAX ((uint64_t)30 * 86400)
#define SECONDS_MAX ((uint64_t)7 * 86400)
#define RELEASE_MAX ((uint64_t)366 * 86400)
#define AT(member) offsetof(struct conf, member)

static const struct ini_key global_keys[] = {
	{ "", "hostname", parse_domain_key, AT(hostname), 0, LIMIT_DOMAIN + 1,
	  "a host name such as mx.example.org (A-labels)" },
	{ "", "state", ini_text, AT(state), 0, LIMIT_FILE, "a directory" },
	{ "", "postmaster", parse_address_key, AT(postmaster), 0, 0,
	  "an address such as admin@example.org" },
	{ "", "local-domain", parse_domain_key, AT(local_domain), 0, LIMIT_DOMAIN + 1,
	  "the domain of users of this host, such as example.org" },
	{ "", "relay-from", parse_networks_key, AT(relay_from), 0, INI_REPEATS, NETWORKS },
	{ "", "proxies", parse_networks_key, AT(proxies), 0, INI_REPEATS, NETWORKS },
	{ "", "xclient", parse_networks_key, AT(xclient), 0, INI_REPEATS, NETWORKS },
	{ "", "session-user", ini_uint, AT(session_user), 1, 65533,
	  "the number of a user, 1 to 65533 (no name: sessions look up nothing)" },
	{ "", "session-reuse", ini_uint, AT(session_reuse), 1, 1000000,
	  "1 to 1000000 connections" },
	{ "", "size", ini_octets, AT(size), 65536, LIMIT_MESSAGE,
	  "octets, 64K or more, such as 25M" },
	{ "", "vrfy", ini_bool, AT(vrfy), 0, 0, "yes or no" },
	{ "", "checkpoint", parse_checkpoint_key, AT(checkpoint), 0, 0, "login, all or no" },
	{ "", "deliver-by", parse_deliver_by_key, AT(deliver_by_min), 0, TIMED_SECONDS_MAX,
	  "no, or the least time such as 0 or 60s" },
	{ "", "future-release", ini_seconds, AT(future_release), 0, RELEASE_MAX,
	  "0 to offer none, or a time such as 30d, at most 366d" },
	{ "", "priority", parse_priority_key, AT(priority), 0, 0,
	  "yes, no, or the name of a policy such as MIXER" },
	{ "", "priority-logins", parse_priority_logins_key, AT(priority), 0, INI_REPEATS,
	  "up to 16 logins such as alice@example.org, @DOMAIN for all of a domain, or *" },
	{ "", "priority-over", parse_priority_over_key, AT(priority), 0, 0, "lower or refuse" },
	{ "", "priority-header", ini_bool, AT(priority.header), 0, 0, "yes or no" },
	{ "", "greeting-delay", ini_seconds, AT(greeting_delay), 0, 60,
	  "0 to 60 seconds" },
	{ "", "tls-cert", parse_paths_key, 0, CERT, 0, PATHS },
	{ "", "tls-key", parse_paths_key, 0, KEY, 0, PATHS },
	{ "", "tls-client-ca", parse_client_ca_key, 0, 0, 0, "a file of certificates" },
	{ "", "tls-ca", ini_text, AT(tls_ca), 0, LIMIT_FILE, "a file of certificates" },
	{ "", "dns", parse_dns_key, 0, 0, 0,
	  "up to 8 resolvers, each ADDRESS or ADDRESS@PORT" },
	{ "", "dns-anchor", ini_text, AT(dns_anchor), 0, LIMIT_FILE,
	  "a file of DNSSEC trust anchors, or none" },
	{ "", "auth", ini_text, AT(auth), 0, LIMIT_FILE, "a program and its arguments" },
	{ "", "auth-order", parse_order_key, AT(response_first), 0, 0,
	  "challenge-response or response-challenge" },
	{ "", "auth-without-tls", ini_bool, AT(auth_without_tls), 0, 0, "yes or no" },
	{ "", "mechanisms", parse_mechanisms_key, AT(mechanisms), 0, 0,
	  "names of SASL mechanisms such as PLAIN LOGIN SCRAM-SHA-256, or none" },
	{ "", "sender-check", parse_sender_check_key, AT(sender_check), 0, 0,
	  "yes, no or submission" },
	{ "", "srs", ini_bool, AT(srs), 0, 0, "yes or no" },
	{ "", "atrn-on-submission", ini_bool, AT(atrn_submission), 0, 0, "yes or no" },
	{ "", "relay", parse_relay_key, AT(relay), 0, 0, "mx, or [host]:port" },
	{ "", "relay-login", ini_text, AT(relay_login), 0, LIMIT_FILE,
	  "a file of two lines, login and password" },
	{ "", "relay-tls", parse_relay_tls_key, AT(relay_tls), 0, 0, TLS_WORDS },
	{ "", "delay-report", ini_seconds, AT(delay_report), 60, SECONDS_MAX,
	  "a time such as 4h, 60s to 7d" },
	{ "", "expire", ini_seconds, AT(expire), 60, EXPIRE_MAX,
	  "a time such as 5d, 60s to 30d" },
	{ "sending", "connections-per-destination", ini_uint, AT(per_destination), 1,
	  LIMIT_PER_DESTINATION, "1 to 20" },
	{ "sending", "domains", ini_uint, AT(domains_at_once), 1, LIMIT_RUNNERS, "1 to 200" },
	{ "sending", "retry-min", ini_seconds, AT(retry_min), 1, 86400,
	  "a time such as 5m, 1s to 1d" },
	{ "sending", "retry-max", ini_seconds, AT(retry_max), 1, 86400,
	  "a time such as 2h, 1s to 1d" },
	{ "sending", "reports", ini_uint, AT(reports), 0, 1000000, "0 to 1000000 an hour" },
	{ "provider *", "host", conf_parse_provider, 0, PROVIDER_HOST, INI_REPEATS,
	  "a host name or an address" },
	{ "provider *", "port", conf_parse_provider, 0, PROVIDER_PORT, INI_REPEATS, "1 to 65535" },
	{ "provider *", "tls", conf_parse_provider, 0, PROVIDER_TLS, INI_REPEATS,
	  "implicit or starttls" },
	{ "provider *", "mode", conf_parse_provider, 0, PROVIDER_MODE, INI_REPEATS,
	  "atrn or etrn" },
	{ "provider *", "login", conf_parse_provider, 0, PROVIDER_LOGIN, INI_REPEATS,
	  "a file of two lines, login and password" },
	{ "provider *", "domains", conf_parse_provider, 0, PROVIDER_DOMAINS, INI_REPEATS,
	  "domains such as example.org; with mode = etrn also @example.org and #queue" },
	{ "tls *", "cert", parse_paths_key, 0, CERT, INI_REPEATS, PATHS },
	{ "tls *", "key", parse_paths_key, 0, KEY, INI_REPEATS, PATHS },
	{ "sockets", "tls", ini_text, AT(tls_socket), 0, LIMIT_SOCKET + 1, SOCKET },
	{ "sockets", "auth", ini_text, AT(auth_socket), 0, LIMIT_SOCKET + 1, SOCKET },
	{ "sockets", "spool", ini_text, AT(spool_socket), 0, LIMIT_SOCKET + 1, SOCKET },
	{ "sockets", "flush", ini_text, AT(flush_socket), 0, LIMIT_SOCKET + 1, SOCKET },
	{ "limits", "recipients", ini_uint, AT(recipients), 100, LIMIT_RECIPIENTS,
	  "100 to 1000" },
	{ "limits", "messages", ini_uint, AT(messages), 1, 1000000, "1 to 1000000" },
	{ "limits", "errors", ini_uint, AT(errors), 1, 1000000, "1 to 1000000" },
	{ "limits", "received", ini_uint, AT(received), 10, 1000, "10 to 1000" },
	{ "limits", "connections", ini_uint, AT(connections), 1, LIMIT_CONNECTIONS,
	  "1 to 10000" },
	{ "limits", "connections-per-source", ini_uint, AT(per_source), 1,
	  LIMIT_CONNECTIONS, "1 to 10000" },
	{ "limits", "rate", ini_uint, AT(rate), 0, 1000000,
	  "0 to 1000000 connections a minute" },
	{ "timeouts", "command", ini_seconds, AT(command), 1, SECONDS_MAX,
	  "a time such as 5m, 1s to 7d" },
	{ "timeouts", "data", ini_seconds, AT(data), 1, SECONDS_MAX,
	  "a time such as 5m, 1s to 7d" },
	{ "timeouts", "handshake", ini_seconds, AT(handshake), 1, 240,
	  "a time such as 30s, 1s to 4m" },
	{ "timeouts", "session", ini_seconds, AT(session), 1, SECONDS_MAX,
	  "a time such as 2h, 1s to 7d" },
	{ "timeouts", "idle", ini_seconds, AT(idle), 60, SECONDS_MAX,
	  "a time such as 5m, 60s to 7d" },
	{ "timeouts", "dns", ini_seconds, AT(dns_timeout), 1, LIMIT_DNS,
	  "a time such as 20s, 1s to 30s" },
	{ "timeouts", "stop", ini_seconds, AT(stop), 0, 3600,
	  "a time such as 30s, 0s to 1h" },
	{ .name = NULL },
};

#undef AT
#define AT(member) offsetof(struct domain, member)

static bool
parse_deliver_key(const struct ini_key *k, const struct ini_value *v)
{
	return parse_deliver(v->text, (struct next *)(void *)(v->base + k->offset));
}

bool
is_queue_name(const char *s)
{
	size_t len = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._-");

	return len > 0 && len <= LIMIT_ETRN_QUEUE && s[len] == '\0';
}

static bool
parse_etrn_key(const struct ini_key *k, const struct ini_value *v)
{
	struct domain_asks *asks = ((struct domain *)(void *)v->base)->asks;
	const char *s = v->text;
	char word[LIMIT_ADDRESS + 1];

	(void)k;
	for (; ini_word(&s, word, sizeof word); asks->n_logins++)
		if (asks->n_logins == LIMIT_ETRN_LOGINS || word[0] == '\0' ||
		    !text_copy(asks->login[asks->n_logins], LIMIT_ADDRESS + 1, word))
			return false;
	return asks->n_logins > 0;
}

static bool
parse_queue_key(const struct ini_key *k, const struct ini_value *v)
{
	struct domain_asks *asks = ((struct domain *)(void *)v->base)->asks;
	const char *s = v->text;
	char word[LIMIT_ETRN_QUEUE + 1];

	(void)k;
	for (; ini_word(&s, word, sizeof word); asks->n_queues++)
		if (asks->n_queues == LIMIT_ETRN_QUEUES || !is_queue_name(word) ||
		    !text_copy(asks->queue[asks->n_queues], LIMIT_ETRN_QUEUE + 1, word))
			return false;
	return asks->n_queues > 0;
}

static const struct ini_key domain_keys[] = {
	{ "", "deliver", parse_deliver_key, AT(deliver), 0, 0,
	  "maildir, mx, hold, hold:[host]:port, smtp:[host]:port, lmtp:[host]:port or lmtp:/path" },
	{ "", "etrn", parse_etrn_key, 0, 0, INI_REPEATS,
	  "up to 16 logins such as isp@example.org" },
	{ "", "queue", parse_queue_key, 0, 0, 0,
	  "up to 8 names of a-z 0-9 . _ -, each of 32 octets at most" },
	{ "", "tls", parse_tls_key, AT(tls), 0, 0, TLS_WORDS },
	{ "", "size", ini_octets, AT(size), 65536, LIMIT_MESSAGE,
	  "octets, 64K or more, such as 25M" },
	{ "", "catchall", parse_local_key, AT(catchall), 0, LIMIT_LOCAL + 1,
	  "the local part of a mailbox of this domain" },
	{ "", "quota", parse_quota_key, 0, 0, LIMIT_MESSAGE,
	  "octets per mailbox, and optionally messages, such as 1G 10000" },
	{ .name = NULL },
};

#undef AT

static void
set_defaults(struct conf *c)
{
	memset(c, 0, sizeof *c);
	(void)text_copy(c->state, sizeof c->state, CONF_DEFAULT_STATE);
	c->size = (uint64_t)25 << 20;
	c->recipients = 100;
	c->messages = 1000;
	c->errors = 20;
	c->received = 100;
	c->command = 300;
	c->data = 300;
	c->session = 7200;
	c->session_reuse = 1;
	c->connections = 500;
	c->per_source = 50;
	c->idle = 300;
	c->stop = 30;
	c->handshake = 30;
	c->dns_timeout = LIMIT_DNS;
	c->mechanisms = MECHANISMS_DEFAULT;
	c->srs = true;
	c->checkpoint = CHECKPOINT_LOGIN;
	c->deliver_by = true;
	c->future_release = (uint64_t)30 * 86400;
	c->priority.offered = true;
	c->sender_check = SENDER_CHECK_SUBMISSION;
	c->relay.kind = NEXT_MX;
	c->delay_report = (uint64_t)4 * 3600;
	c->expire = (uint64_t)5 * 86400;
	c->per_destination = 4;
	c->domains_at_once = 20;
	c->retry_min = 300;
	c->retry_max = (uint64_t)2 * 3600;
	c->reports = 60;
}

/* name, beside c->file unless it is absolute. */
static bool
beside(const struct conf *c, const char *name, char *out, size_t cap)
{
	const char *slash = strrchr(c->file, '/');
	struct text t;

	text_init(&t, out, cap);
	if (name[0] != '/' && slash != NULL)
		text_addn(&t, c->file, (size_t)(slash - c->file) + 1);
	text_add(&t, name);
	return text_ok(&t);
}

static bool
resolve(const struct conf *c, char *path, size_t cap)
{
	char whole[LIMIT_FILE];

	return path[0] == '\0' ||
	       (beside(c, path, whole, sizeof whole) && text_copy(path, cap, whole));
}

/* Every path whole; false: one is too long. */
static bool
resolve_paths(struct conf *c)
{
	struct conf_tls *t = c->tls_files;

	/* The units' sockets belong to the system's own state, not to a tree elsewhere. */
	if (strcmp(c->state, CONF_DEFAULT_STATE) == 0) {
		if (c->tls_socket[0] == '\0')
			(void)text_copy(c->tls_socket, LIMIT_SOCKET, CONF_DEFAULT_RUN "/tls");
		if (c->auth_socket[0] == '\0')
			(void)text_copy(c->auth_socket, LIMIT_SOCKET, CONF_DEFAULT_RUN "/auth");
		if (c->spool_socket[0] == '\0')
			(void)text_copy(c->spool_socket, LIMIT_SOCKET, CONF_DEFAULT_RUN "/spool");
		if (c->flush_socket[0] == '\0')
			(void)text_copy(c->flush_socket, LIMIT_SOCKET, CONF_DEFAULT_RUN "/flush");
	}
	for (unsigned i = 0; i < t->n; i++)
		for (unsigned k = 0; k < LIMIT_CERTS; k++)
			if ((k < t->at[i].certs && !resolve(c, t->at[i].cert[k], LIMIT_FILE)) ||
			    (k < t->at[i].keys && !resolve(c, t->at[i].key[k], LIMIT_FILE)))
				return false;
	return beside(c, "domains", c->domains, sizeof c->domains) &&
	       resolve(c, c->state, sizeof c->state) &&
	       resolve(c, t->client_ca, sizeof t->client_ca) &&
	       resolve(c, c->tls_ca, sizeof c->tls_ca) &&
	       resolve(c, c->relay_login, sizeof c->relay_login) &&
	       (c->provider == NULL ||
	        resolve(c, c->provider->login, sizeof c->provider->login)) &&
	       (strcmp(c->dns_anchor, "none") == 0 ||
	        resolve(c, c->dns_anchor, sizeof c->dns_anchor)) &&
	       resolve(c, c->tls_socket, sizeof c->tls_socket) &&
	       resolve(c, c->auth_socket, sizeof c->auth_socket) &&
	       resolve(c, c->spool_socket, sizeof c->spool_socket) &&
	       resolve(c, c->flush_socket, sizeof c->flush_socket);
}

static bool
has_default_identity(const struct conf_tls *t)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->at[i].name[0] == '\0')
			return true;
	return false;
}

static void
check_provider(const struct conf_provider *p, struct ini_file *f)
{
	if (p->host[0] == '\0')
		ini_error(f, "missing key 'host' of provider", p->name, "a host name or an address");
	if (p->login[0] == '\0')
		ini_error(f, "missing key 'login' of provider", p->name,
		          "a file of two lines, login and password");
	if (p->etrn && p->domains[0] == '\0')
		ini_error(f, "missing key 'domains' of provider", p->name, "what to ask for by ETRN");
}

static void
check_whole(const struct conf *c, struct ini_file *f)
{
	const struct conf_tls *t = c->tls_files;

	if (c->provider != NULL && c->provider->found)
		check_provider(c->provider, f);
	if (c->retry_min > c->retry_max)
		ini_error(f, "retry-min is over retry-max", NULL, NULL);
	if (c->hostname[0] == '\0')
		ini_error(f, "missing key 'hostname'", NULL, global_keys[0].expected);
	for (unsigned i = 0; i < t->n; i++) {
		const char *name = t->at[i].name;

		if (t->at[i].certs != t->at[i].keys)
			ini_error(f, name[0] == '\0' ? "keys and certificates do not pair:" :
			                              "keys and certificates do not pair in section",
			          name[0] == '\0' ? "tls-key" : name,
			          "as many keys as certificates, in one order");
	}
	if (t->n > 0 && !has_default_identity(t))
		ini_error(f, "missing key 'tls-cert'", NULL,
		          "a certificate for clients that ask for no name");
}

static unsigned
load(struct conf *c, struct conf_tls *t, struct conf_provider *p, const char *file,
     conf_report *report, void *context)
{
	struct ini_file f = {
		.name = file,
		.keys = global_keys,
		.base = (char *)c,
		.report = report,
		.context = context,
	};

	set_defaults(c);
	c->tls_files = t;
	c->provider = p;
	t->n = 0;
	t->client_ca[0] = '\0';
	f.fd = open(file, O_RDONLY | O_CLOEXEC);
	if (f.fd == -1) {
		ini_error(&f, "cannot be opened:", strerror(errno), NULL);
		return f.errors;
	}
	ini_read(&f);
	(void)close(f.fd); /* only read */
	f.line = 0;
	/* A password is worth a certificate that proves whom it goes to. */
	if (c->relay_login[0] != '\0' && !c->relay_tls_said)
		c->relay_tls = NEXT_TLS_VERIFY;
	if (f.errors == 0)
		check_whole(c, &f);
	if (c->local_domain[0] == '\0')
		(void)text_copy(c->local_domain, sizeof c->local_domain, c->hostname); /* fits */
	if (!text_copy(c->file, sizeof c->file, file) || !resolve_paths(c))
		ini_error(&f, "path too long", NULL,
		          "at most 1000 octets, of a socket at most 107");
	c->tls_files = NULL;
	c->provider = NULL;
	return f.errors;
}

unsigned
conf_load_tls(struct conf *c, struct conf_tls *t, const char *file, conf_report *report,
              void *context)
{
	return load(c, t, NULL, file, report, context);
}

unsigned
conf_load_provider(struct conf *c, struct conf_provider *p, const char *file,
                   conf_report *report, void *context)
{
	static struct conf_tls unused;

	return load(c, &unused, p, file, report, context);
}

unsigned
conf_load(struct conf *c, const char *file, conf_report *report, void *context)
{
	static struct conf_tls unused; /* checked as a whole all the same */

	return conf_load_tls(c, &unused, file, report, context);
}

int
conf_load_domain(struct domain *d, int dir, const char *name, conf_report *report,
                 void *context)
{
	static struct domain_asks unused; /* checked as a whole all the same */

	return conf_load_domain_asks(d, &unused, dir, name, report, context);
}

/* What one key alone cannot show. */
static void
check_domain(const struct domain *d, struct ini_file *f)
{
	if (d->asks->n_logins > 0 && d->deliver.kind == NEXT_MAILDIR)
		ini_error(f, "no use for", "etrn", "deliver = hold, or another way of sending");
	if (d->asks->n_queues > 0 && d->asks->n_logins == 0)
		ini_error(f, "no use for", "queue", "etrn = LOGIN beside it");
}

int
conf_load_domain_asks(struct domain *d, struct domain_asks *asks, int dir,
                      const char *name, conf_report *report, void *context)
{
	char shown[sizeof "domains/" + LIMIT_DOMAIN + sizeof ".conf"];
	const char *file = shown + strlen("domains/");
	struct text t;
	struct ini_file f = {
		.keys = domain_keys,
		.base = (char *)d,
		.report = report,
		.context = context,
	};

	memset(d, 0, sizeof *d);
	d->asks = asks;
	asks->n_logins = asks->n_queues = 0;
	text_init(&t, shown, sizeof shown);
	text_add(&t, "domains/");
	text_add(&t, name);
	text_add(&t, ".conf");
	if (!text_ok(&t))
		return 1;
	f.name = shown;
	f.fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (f.fd == -1)
		return errno == ENOENT || errno == ENAMETOOLONG ? 1 : -1;
	errno = 0;
	ini_read(&f);
	(void)close(f.fd); /* only read */
	f.line = 0;
	if (f.errors == 0)
		check_domain(d, &f);
	d->asks = NULL;
	return f.errors == 0 ? 0 : -1;
}
