/*
 * See path.h. Each reader moves *s behind what it took, and returns false and
 * stays where there is nothing for it.
 */
#include "session/path.h"

#include <string.h>

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
	if (*arg != '\0' && *arg != ' ' && *arg != '\t')
		return &reply_bad_sender;
	wrong = parameter_read_mail(arg, params);
	if (wrong == NULL && is_utf8_address(a) && !params->smtputf8)
		return &reply_needs_smtputf8;
	return wrong;
}

const struct reply *
path_read_rcpt(const char *arg, bool smtputf8, struct address *a,
               struct rcpt_parameters *params)
{
	const struct reply *wrong;

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
	wrong = parameter_read_rcpt(arg, params);
	if (wrong == NULL && is_utf8_address(a) && !smtputf8)
		return &reply_needs_smtputf8;
	return wrong;
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

