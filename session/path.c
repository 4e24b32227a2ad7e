/*
 * See path.h. Each reader moves *s behind what it took, and returns false and
 * stays where there is nothing for it.
 */
#include "session/path.h"

#include <string.h>

#include "base/num.h"
#include "base/xtext.h"
#include "session/reply.h"

static bool
skip_word(const char **s, const char *word)
{
	size_t len = strlen(word);

	if (strncasecmp(*s, word, len) != 0)
		return false;
	*s += len;
	return true;
}

static void
skip_blank(const char **s)
{
	*s += strspn(*s, " \t");
}

/* A-d-l = "@" Domain *( "," "@" Domain ), then ":"; read and forgotten. */
static bool
skip_source_route(const char **s)
{
	const char *p = *s;

	for (;;) {
		size_t len;

		if (*p != '@')
			return false;
		len = strcspn(++p, ",:>");
		if (!is_domain(p, len))
			return false;
		p += len;
		if (*p == ':')
			break;
		if (*p++ != ',')
			return false;
	}
	*s = p + 1;
	return true;
}

/* "<" [ A-d-l ":" ] Mailbox ">" */
static bool
read_path(const char **s, struct address *a)
{
	const char *p = *s;
	size_t n;

	if (*p++ != '<')
		return false;
	if (*p == '@' && !skip_source_route(&p))
		return false;
	n = address_read(a, p, strlen(p));
	if (n == 0 || p[n] != '>')
		return false;
	*s = p + n + 1;
	return true;
}

/* One "keyword[=value]" copied out; false at the end or when it is malformed. */
struct parameter {
	char keyword[16];
	char value[LIMIT_ADDRESS * 3];
	bool has_value;
};

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

static bool
set_body(struct mail_parameters *params, const char *value)
{
	params->eight_bit = strcasecmp(value, "8BITMIME") == 0;
	params->binary = strcasecmp(value, "BINARYMIME") == 0;
	return params->eight_bit || params->binary || strcasecmp(value, "7BIT") == 0;
}

/* RFC 4954 5: "<>", or a mailbox as xtext. Whom we do not trust we believe neither. */
static bool
is_auth_value(const char *value)
{
	char text[LIMIT_ADDRESS + 1];
	struct address a;
	struct text t;

	text_init(&t, text, sizeof text);
	return strcmp(value, "<>") == 0 || (xtext_decode(&t, value, strlen(value)) &&
	                                    parse_address(text, &a));
}

static const struct reply *
set_parameter(struct mail_parameters *params, const struct parameter *p, unsigned *seen)
{
	static const char *const names[] = { "SIZE", "BODY", "SMTPUTF8", "AUTH" };
	unsigned which = 0;
	bool ok;

	while (which < 4 && strcasecmp(p->keyword, names[which]) != 0)
		which++;
	if (which == 4)
		return &reply_unknown_parameter;
	if (*seen & 1U << which)
		return &reply_bad_parameter;
	*seen |= 1U << which;
	if (which == 0)
		/* RFC 1870 3: up to 20 digits; UINT64_MAX stands for all above it. */
		ok = p->has_value && strlen(p->value) <= 20 &&
		     p->value[strspn(p->value, "0123456789")] == '\0' && p->value[0] != '\0' &&
		     (parse_u64(p->value, UINT64_MAX, &params->size) ||
		      (params->size = UINT64_MAX) != 0);
	else if (which == 1)
		ok = p->has_value && set_body(params, p->value);
	else if (which == 2)
		ok = params->smtputf8 = !p->has_value;
	else
		ok = p->has_value && is_auth_value(p->value) &&
		     text_copy(params->auth, sizeof params->auth, p->value);
	return ok ? NULL : &reply_bad_parameter;
}

static const struct reply *
read_mail_parameters(const char *s, struct mail_parameters *params)
{
	struct parameter p;
	unsigned seen = 0;

	memset(params, 0, sizeof *params);
	for (;;) {
		const struct reply *wrong;

		if (*s != '\0' && *s != ' ' && *s != '\t')
			return &reply_bad_sender;
		skip_blank(&s);
		if (*s == '\0')
			return NULL;
		if (!read_parameter(&s, &p))
			return &reply_unknown_parameter;
		wrong = set_parameter(params, &p, &seen);
		if (wrong != NULL)
			return wrong;
	}
}

static bool
is_utf8_address(const struct address *a)
{
	return has_utf8(a->local) || has_utf8(a->domain);
}

const struct reply *
path_read_mail(const char *arg, struct address *a, struct mail_parameters *params)
{
	const struct reply *wrong;

	if (!skip_word(&arg, "FROM:"))
		return &reply_bad_sender;
	skip_blank(&arg);
	if (skip_word(&arg, "<>"))
		a->local[0] = a->domain[0] = '\0';
	else if (!read_path(&arg, a))
		return &reply_bad_sender;
	wrong = read_mail_parameters(arg, params);
	if (wrong == NULL && is_utf8_address(a) && !params->smtputf8)
		return &reply_needs_smtputf8;
	return wrong;
}

const struct reply *
path_read_rcpt(const char *arg, bool smtputf8, struct address *a)
{
	if (!skip_word(&arg, "TO:"))
		return &reply_bad_recipient;
	skip_blank(&arg);
	if (skip_word(&arg, "<postmaster>")) {
		(void)text_copy(a->local, sizeof a->local, "postmaster");
		a->domain[0] = '\0';
	} else if (!read_path(&arg, a)) {
		return &reply_bad_recipient;
	}
	if (*arg != '\0' && *arg != ' ' && *arg != '\t')
		return &reply_bad_recipient;
	skip_blank(&arg);
	if (*arg != '\0')
		return &reply_unknown_parameter;
	return is_utf8_address(a) && !smtputf8 ? &reply_needs_smtputf8 : NULL;
}

bool
path_read_name(const char *arg, struct address *a)
{
	char name[LIMIT_COMMAND];
	size_t len = strlen(arg);
	static const char suffix[] = " SMTPUTF8";
	struct text t;

	if (len > sizeof suffix - 1 &&
	    strcasecmp(arg + len - (sizeof suffix - 1), suffix) == 0)
		len -= sizeof suffix - 1;
	if (len > 1 && arg[0] == '<' && arg[len - 1] == '>') {
		arg++;
		len -= 2;
	}
	text_init(&t, name, sizeof name);
	text_addn(&t, arg, len);
	if (parse_address(name, a))
		return true;
	a->domain[0] = '\0';
	return strchr(name, '@') == NULL && name[0] != '\0' && is_address_safe(name, "") &&
	       text_copy(a->local, sizeof a->local, name);
}

