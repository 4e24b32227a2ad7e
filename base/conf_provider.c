/* The section [provider NAME] of postern.conf; see conf.h. Called while a file is read. */
#include <string.h>

#include "base/conf.h"
#include "base/num.h"

/* Where the values of this section go: the one that is wanted, or nowhere. */
static struct conf_provider *
find_target(const struct conf *c, const char *name)
{
	static struct conf_provider unused;
	struct conf_provider *p = c->provider;

	if (p != NULL && strcmp(name, p->name) > 0 &&
	    (p->next[0] == '\0' || strcmp(name, p->next) < 0))
		(void)text_copy(p->next, sizeof p->next, name); /* is_provider_name() */
	if (c->provider == NULL || strcmp(c->provider->name, name) != 0) {
		memset(&unused, 0, sizeof unused);
		return &unused;
	}
	c->provider->found = true;
	return c->provider;
}

static bool
is_provider_name(const char *s)
{
	size_t len = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._-");

	return len > 0 && len <= LIMIT_PROVIDER && s[len] == '\0';
}

static bool
parse_host(const char *s, char out[LIMIT_DOMAIN + 1])
{
	struct ip ip;

	return text_copy(out, LIMIT_DOMAIN + 1, s) &&
	       (parse_ip(s, &ip) || (is_domain(s, strlen(s)) && !has_utf8(s)));
}

/* One of two words; true: the second. */
static bool
parse_either(const char *s, const char *first, const char *second, bool *out)
{
	*out = strcmp(s, second) == 0;
	return *out || strcmp(s, first) == 0;
}

/* Nothing that could end a command. */
static bool
parse_domains(const char *s, char out[LIMIT_ATRN + 1])
{
	char word[LIMIT_DOMAIN + 2];
	struct text t;

	text_init(&t, out, LIMIT_ATRN + 1);
	while (ini_word(&s, word, sizeof word)) {
		const char *name = word + (word[0] == '@' || word[0] == '#');

		if (word[0] == '#' ? !is_queue_name(name) : !is_domain(name, strlen(name)) ||
		    has_utf8(name))
			return false;
		if (t.len > 0)
			text_addc(&t, ',');
		text_add(&t, word);
	}
	return text_ok(&t) && t.len > 0;
}

bool
conf_parse_provider(const struct ini_key *k, const struct ini_value *v)
{
	const char *name = strchr(v->section, ' ');
	struct conf_provider *p;

	name = name == NULL ? "" : name + strspn(name, " \t");
	if (!is_provider_name(name))
		return false;
	p = find_target((const struct conf *)(const void *)v->base, name);
	switch ((enum provider_key)k->min) {
	case PROVIDER_HOST:
		return parse_host(v->text, p->host);
	case PROVIDER_PORT:
		return parse_u64(v->text, 65535, &p->port) && p->port > 0;
	case PROVIDER_TLS:
		return parse_either(v->text, "implicit", "starttls", &p->starttls);
	case PROVIDER_MODE:
		return parse_either(v->text, "atrn", "etrn", &p->etrn);
	case PROVIDER_LOGIN:
		return v->text[0] != '\0' && text_copy(p->login, sizeof p->login, v->text);
	case PROVIDER_DOMAINS:
		return parse_domains(v->text, p->domains);
	}
	return false;
}
