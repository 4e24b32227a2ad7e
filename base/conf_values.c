/* See conf_values.h. */
#include "base/conf_values.h"

#include <stddef.h>
#include <string.h>

#include "base/mechanism.h"
#include "base/num.h"

bool
conf_domain(const struct ini_key *k, const struct ini_value *v)
{
	return is_domain(v->text, strlen(v->text)) && !has_utf8(v->text) &&
	       text_copy(v->base + k->offset, k->max, v->text);
}

bool
conf_local(const struct ini_key *k, const struct ini_value *v)
{
	return v->text[0] != '\0' && is_address_safe(v->text, "") &&
	       text_copy(v->base + k->offset, k->max, v->text);
}

bool
conf_address(const struct ini_key *k, const struct ini_value *v)
{
	return parse_address(v->text, (struct address *)(void *)(v->base + k->offset));
}

bool
conf_networks(const struct ini_key *k, const struct ini_value *v)
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
bool
conf_quota(const struct ini_key *k, const struct ini_value *v)
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

bool
conf_order(const struct ini_key *k, const struct ini_value *v)
{
	bool *out = (void *)(v->base + k->offset);

	*out = strcmp(v->text, "response-challenge") == 0;
	return *out || strcmp(v->text, "challenge-response") == 0;
}

bool
conf_mechanisms(const struct ini_key *k, const struct ini_value *v)
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

bool
conf_sender_check(const struct ini_key *k, const struct ini_value *v)
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

/* -- certificates: counted for all, their paths kept for who asks (struct conf_tls) -- */

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

/*
 * A word, or what is between quotation marks: there blanks and commas are the path's.
 * False at the end; what is no path comes out empty.
 */
static bool
next_path(const char **s, char *path, size_t cap)
{
	struct text t;
	size_t len;

	*s += strspn(*s, " \t,");
	if (**s != '"')
		return ini_word(s, path, cap);
	len = strcspn(++*s, "\"");
	text_init(&t, path, cap);
	text_addn(&t, *s, len);
	*s += len;
	if (**s != '"' || strchr(" \t,", (*s)[1]) == NULL || !text_ok(&t))
		path[0] = '\0'; /* left open, or followed by something */
	*s += **s == '"';
	return true;
}

/* min says which of the two. */
bool
conf_paths(const struct ini_key *k, const struct ini_value *v)
{
	struct conf *c = (struct conf *)(void *)v->base;
	struct conf_identity *id = find_identity(c->tls_files, v->section);
	unsigned *n = id == NULL ? NULL : k->min == CONF_CERT ? &id->certs : &id->keys;
	const char *s = v->text;
	char word[LIMIT_FILE];

	if (n == NULL || *n > 0)
		return false;
	for (; next_path(&s, word, sizeof word); ++*n)
		if (*n == LIMIT_CERTS || word[0] == '\0' ||
		    !text_copy(k->min == CONF_CERT ? id->cert[*n] : id->key[*n], LIMIT_FILE, word))
			return false;
	c->tls |= *n > 0;
	return *n > 0;
}

/* Port 53 where none is said. */
bool
conf_dns(const struct ini_key *k, const struct ini_value *v)
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

bool
conf_client_ca(const struct ini_key *k, const struct ini_value *v)
{
	struct conf *c = (struct conf *)(void *)v->base;

	(void)k;
	return v->text[0] != '\0' && text_copy(c->tls_files->client_ca, LIMIT_FILE, v->text);
}

bool
conf_relay(const struct ini_key *k, const struct ini_value *v)
{
	return parse_relay(v->text, (struct next *)(void *)(v->base + k->offset));
}

bool
conf_next_tls(const struct ini_key *k, const struct ini_value *v)
{
	return parse_next_tls(v->text, (enum next_tls *)(void *)(v->base + k->offset));
}

bool
conf_relay_tls(const struct ini_key *k, const struct ini_value *v)
{
	((struct conf *)(void *)v->base)->relay_tls_said = true;
	return conf_next_tls(k, v);
}

bool
conf_deliver(const struct ini_key *k, const struct ini_value *v)
{
	return parse_deliver(v->text, (struct next *)(void *)(v->base + k->offset));
}

bool
conf_checkpoint(const struct ini_key *k, const struct ini_value *v)
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
bool
conf_deliver_by(const struct ini_key *k, const struct ini_value *v)
{
	struct conf *c = (struct conf *)(void *)v->base;

	c->deliver_by = strcmp(v->text, "no") != 0;
	c->deliver_by_min = 0;
	return !c->deliver_by || ini_seconds(k, v);
}

bool
conf_priority_key(const struct ini_key *k, const struct ini_value *v)
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

bool
conf_priority_logins(const struct ini_key *k, const struct ini_value *v)
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

bool
conf_priority_over(const struct ini_key *k, const struct ini_value *v)
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

bool
is_queue_name(const char *s)
{
	size_t len = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._-");

	return len > 0 && len <= LIMIT_ETRN_QUEUE && s[len] == '\0';
}

bool
conf_etrn(const struct ini_key *k, const struct ini_value *v)
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

bool
conf_queue(const struct ini_key *k, const struct ini_value *v)
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
