/* See parameter.h. One row a keyword; the row says who reads its value, and when. */
#include "session/parameter.h"

#include <string.h>

#include "base/num.h"
#include "base/transid.h"
#include "base/xtext.h"
#include "session/reply.h"

/* One "keyword[=value]" copied out. */
struct parameter {
	char keyword[16];
	char value[3 * LIMIT_ORCPT + 1];
	bool has_value;
};

/* A reader gets "" for a keyword without a value; out is the struct of its command. */
struct keyword {
	const char *name;
	bool (*take)(void *out, const char *value);
	bool has_value;
};

static bool
take_size(void *out, const char *value)
{
	struct mail_parameters *m = out;

	/* RFC 1870 3: up to 20 digits; UINT64_MAX stands for all above it. */
	if (strlen(value) > 20 || value[strspn(value, "0123456789")] != '\0' || value[0] == '\0')
		return false;
	if (!parse_u64(value, UINT64_MAX, &m->size))
		m->size = UINT64_MAX;
	return true;
}

static bool
take_body(void *out, const char *value)
{
	struct mail_parameters *m = out;

	m->eight_bit = strcasecmp(value, "8BITMIME") == 0;
	m->binary = strcasecmp(value, "BINARYMIME") == 0;
	return m->eight_bit || m->binary || strcasecmp(value, "7BIT") == 0;
}

static bool
take_smtputf8(void *out, const char *value)
{
	struct mail_parameters *m = out;

	(void)value;
	m->smtputf8 = true;
	return true;
}

/* RFC 4954 5: "<>", or a mailbox as xtext. Whom we do not trust we believe neither. */
static bool
take_auth(void *out, const char *value)
{
	struct mail_parameters *m = out;
	char text[LIMIT_ADDRESS + 1];
	struct address a;
	struct text t;

	text_init(&t, text, sizeof text);
	return (strcmp(value, "<>") == 0 || (xtext_decode(&t, value, strlen(value)) &&
	                                     parse_address(text, &a))) &&
	       text_copy(m->auth, sizeof m->auth, value);
}

static bool
take_ret(void *out, const char *value)
{
	struct mail_parameters *m = out;

	m->ret = strcasecmp(value, "FULL") == 0 ? "FULL" :
	         strcasecmp(value, "HDRS") == 0 ? "HDRS" : "";
	return m->ret[0] != '\0';
}

static bool
take_envid(void *out, const char *value)
{
	struct mail_parameters *m = out;
	struct text t;

	text_init(&t, m->envid, sizeof m->envid);
	return xtext_decode(&t, value, strlen(value)) && t.len > 0 && is_envid(m->envid);
}

/* RFC 1845 2: no xtext. */
static bool
take_transid(void *out, const char *value)
{
	struct mail_parameters *m = out;

	return is_transid(value) && text_copy(m->transid, sizeof m->transid, value);
}

static bool
take_by(void *out, const char *value)
{
	struct mail_parameters *m = out;
	struct deliver_by by;

	return parse_by(value, &by) && text_copy(m->by, sizeof m->by, value);
}

/* RFC 4865 4.2: one of the two. */
static bool
take_hold_for(void *out, const char *value)
{
	struct mail_parameters *m = out;
	uint64_t seconds;

	return m->hold_until[0] == '\0' && parse_hold_for(value, &seconds) &&
	       text_copy(m->hold_for, sizeof m->hold_for, value);
}

static bool
take_hold_until(void *out, const char *value)
{
	struct mail_parameters *m = out;
	time_t when;

	return m->hold_for[0] == '\0' && parse_hold_until(value, &when) &&
	       text_copy(m->hold_until, sizeof m->hold_until, value);
}

static bool
take_priority(void *out, const char *value)
{
	struct mail_parameters *m = out;
	int priority;

	return parse_priority(value, &priority) &&
	       text_copy(m->priority, sizeof m->priority, value);
}

static bool
take_notify(void *out, const char *value)
{
	struct rcpt_parameters *r = out;

	return parse_notify(value, &r->notify);
}

static bool
take_orcpt(void *out, const char *value)
{
	struct rcpt_parameters *r = out;
	struct text t;

	text_init(&t, r->orcpt, sizeof r->orcpt);
	return xtext_decode(&t, value, strlen(value)) && is_orcpt(r->orcpt);
}

static const struct keyword mail_keywords[] = {
	{ "SIZE", take_size, true },
	{ "BODY", take_body, true },
	{ "SMTPUTF8", take_smtputf8, false },
	{ "AUTH", take_auth, true },
	{ "RET", take_ret, true },
	{ "ENVID", take_envid, true },
	{ "TRANSID", take_transid, true },
	{ "BY", take_by, true },
	{ "HOLDFOR", take_hold_for, true },
	{ "HOLDUNTIL", take_hold_until, true },
	{ "MT-PRIORITY", take_priority, true },
	{ 0 },
};

static const struct keyword rcpt_keywords[] = {
	{ "NOTIFY", take_notify, true },
	{ "ORCPT", take_orcpt, true },
	{ 0 },
};

/* False where it is longer than any we know. */
static bool
read_parameter(const char **s, struct parameter *p)
{
	size_t len = strcspn(*s, " \t");
	const char *eq = memchr(*s, '=', len);
	size_t klen = eq != NULL ? (size_t)(eq - *s) : len;
	struct text t;
	bool ok;

	text_init(&t, p->keyword, sizeof p->keyword);
	text_addn(&t, *s, klen);
	ok = text_ok(&t);
	text_init(&t, p->value, sizeof p->value);
	p->has_value = eq != NULL;
	if (eq != NULL)
		text_addn(&t, eq + 1, len - klen - 1);
	*s += len;
	return ok && text_ok(&t);
}

static const struct reply *
take(const struct keyword *keywords, const struct parameter *p, unsigned *seen, void *out)
{
	unsigned i = 0;

	while (keywords[i].name != NULL && strcasecmp(p->keyword, keywords[i].name) != 0)
		i++;
	if (keywords[i].name == NULL)
		return &reply_unknown_parameter;
	if (*seen & 1U << i || p->has_value != keywords[i].has_value ||
	    !keywords[i].take(out, p->value))
		return &reply_bad_parameter;
	*seen |= 1U << i;
	return NULL;
}

static const struct reply *
read_all(const char *s, const struct keyword *keywords, void *out)
{
	struct parameter p;
	unsigned seen = 0;

	for (;;) {
		const struct reply *wrong;

		s += strspn(s, " \t");
		if (*s == '\0')
			return NULL;
		if (!read_parameter(&s, &p))
			return &reply_unknown_parameter;
		wrong = take(keywords, &p, &seen, out);
		if (wrong != NULL)
			return wrong;
	}
}

const struct reply *
parameter_read_mail(const char *s, struct mail_parameters *m)
{
	memset(m, 0, sizeof *m);
	m->ret = "";
	return read_all(s, mail_keywords, m);
}

const struct reply *
parameter_read_rcpt(const char *s, struct rcpt_parameters *r)
{
	memset(r, 0, sizeof *r);
	return read_all(s, rcpt_keywords, r);
}
