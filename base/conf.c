/* See conf.h. The tables of what may stand in a file; ini.c reads it. */
#include "base/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/conf_values.h"
#include "base/timed.h"

#define NETWORKS "addresses or networks such as 192.0.2.0/24 2001:db8::/32, host bits zero"
#define PATHS "one or two paths, \"quoted\" where they hold a blank or comma, given once; in a " \
	"section [tls NAME] with a domain name, of which 32 may be"
#define TLS_WORDS "may, must, verify or never"
#define SOCKET "a path of at most 107 octets"
#define EXPIRE_MAX ((uint64_t)30 * 86400)
#define SECONDS_MAX ((uint64_t)7 * 86400)
#define RELEASE_MAX ((uint64_t)366 * 86400)
#define AT(member) offsetof(struct conf, member)

static const struct ini_key global_keys[] = {
	{ "", "hostname", conf_domain, AT(hostname), 0, LIMIT_DOMAIN + 1,
	  "a host name such as mx.example.org (A-labels)" },
	{ "", "state", ini_text, AT(state), 0, LIMIT_FILE, "a directory" },
	{ "", "postmaster", conf_address, AT(postmaster), 0, 0,
	  "an address such as admin@example.org" },
	{ "", "local-domain", conf_domain, AT(local_domain), 0, LIMIT_DOMAIN + 1,
	  "the domain of users of this host, such as example.org" },
	{ "", "relay-from", conf_networks, AT(relay_from), 0, INI_REPEATS, NETWORKS },
	{ "", "proxies", conf_networks, AT(proxies), 0, INI_REPEATS, NETWORKS },
	{ "", "xclient", conf_networks, AT(xclient), 0, INI_REPEATS, NETWORKS },
	{ "", "session-user", ini_uint, AT(session_user), 1, 65533,
	  "the number of a user, 1 to 65533 (no name: sessions look up nothing)" },
	{ "", "session-reuse", ini_uint, AT(session_reuse), 1, 1000000,
	  "1 to 1000000 connections" },
	{ "", "size", ini_octets, AT(size), 65536, LIMIT_MESSAGE,
	  "octets, 64K or more, such as 25M" },
	{ "", "vrfy", ini_bool, AT(vrfy), 0, 0, "yes or no" },
	{ "", "checkpoint", conf_checkpoint, AT(checkpoint), 0, 0, "login, all or no" },
	{ "", "deliver-by", conf_deliver_by, AT(deliver_by_min), 0, TIMED_SECONDS_MAX,
	  "no, or the least time such as 0 or 60s" },
	{ "", "future-release", ini_seconds, AT(future_release), 0, RELEASE_MAX,
	  "0 to offer none, or a time such as 30d, at most 366d" },
	{ "", "priority", conf_priority_key, AT(priority), 0, 0,
	  "yes, no, or the name of a policy such as MIXER" },
	{ "", "priority-logins", conf_priority_logins, AT(priority), 0, INI_REPEATS,
	  "up to 16 logins such as alice@example.org, @DOMAIN for all of a domain, or *" },
	{ "", "priority-over", conf_priority_over, AT(priority), 0, 0, "lower or refuse" },
	{ "", "priority-header", ini_bool, AT(priority.header), 0, 0, "yes or no" },
	{ "", "greeting-delay", ini_seconds, AT(greeting_delay), 0, 60,
	  "0 to 60 seconds" },
	{ "", "tls-cert", conf_paths, 0, CONF_CERT, 0, PATHS },
	{ "", "tls-key", conf_paths, 0, CONF_KEY, 0, PATHS },
	{ "", "tls-client-ca", conf_client_ca, 0, 0, 0, "a file of certificates" },
	{ "", "tls-ca", ini_text, AT(tls_ca), 0, LIMIT_FILE, "a file of certificates" },
	{ "", "dns", conf_dns, 0, 0, 0,
	  "up to 8 resolvers, each ADDRESS or ADDRESS@PORT" },
	{ "", "dns-anchor", ini_text, AT(dns_anchor), 0, LIMIT_FILE,
	  "a file of DNSSEC trust anchors, or none" },
	{ "", "auth", ini_text, AT(auth), 0, LIMIT_FILE, "a program and its arguments" },
	{ "", "auth-order", conf_order, AT(response_first), 0, 0,
	  "challenge-response or response-challenge" },
	{ "", "auth-without-tls", ini_bool, AT(auth_without_tls), 0, 0, "yes or no" },
	{ "", "mechanisms", conf_mechanisms, AT(mechanisms), 0, 0,
	  "names of SASL mechanisms such as PLAIN LOGIN SCRAM-SHA-256, or none" },
	{ "", "sender-check", conf_sender_check, AT(sender_check), 0, 0,
	  "yes, no or submission" },
	{ "", "srs", ini_bool, AT(srs), 0, 0, "yes or no" },
	{ "", "atrn-on-submission", ini_bool, AT(atrn_submission), 0, 0, "yes or no" },
	{ "", "relay", conf_relay, AT(relay), 0, 0, "mx, or [host]:port" },
	{ "", "relay-login", ini_text, AT(relay_login), 0, LIMIT_FILE,
	  "a file of two lines, login and password" },
	{ "", "relay-tls", conf_relay_tls, AT(relay_tls), 0, 0, TLS_WORDS },
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
	{ "tls *", "cert", conf_paths, 0, CONF_CERT, INI_REPEATS, PATHS },
	{ "tls *", "key", conf_paths, 0, CONF_KEY, INI_REPEATS, PATHS },
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

static const struct ini_key domain_keys[] = {
	{ "", "deliver", conf_deliver, AT(deliver), 0, 0,
	  "maildir, mx, hold, hold:[host]:port, smtp:[host]:port, lmtp:[host]:port or lmtp:/path" },
	{ "", "etrn", conf_etrn, 0, 0, INI_REPEATS,
	  "up to 16 logins such as isp@example.org" },
	{ "", "queue", conf_queue, 0, 0, 0,
	  "up to 8 names of a-z 0-9 . _ -, each of 32 octets at most" },
	{ "", "tls", conf_next_tls, AT(tls), 0, 0, TLS_WORDS },
	{ "", "size", ini_octets, AT(size), 65536, LIMIT_MESSAGE,
	  "octets, 64K or more, such as 25M" },
	{ "", "catchall", conf_local, AT(catchall), 0, LIMIT_LOCAL + 1,
	  "the local part of a mailbox of this domain" },
	{ "", "quota", conf_quota, 0, 0, LIMIT_MESSAGE,
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
	c->session_reuse = 100;
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
