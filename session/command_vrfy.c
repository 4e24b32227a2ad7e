/* VRFY and EXPN: what an address stands for, where that is told (RFC 5321 3.5). */
#include "session/command_own.h"

#include <string.h>

#include "session/path.h"

static void
set_path_detail(struct session *s, const char *address)
{
	struct text t;

	text_init(&t, s->detail, sizeof s->detail);
	text_addc(&t, '<');
	text_add(&t, address);
	text_addc(&t, '>');
}

/* The addresses of the keeper's answer, each a line, the last as the reply. */
static const struct reply *
list_addresses(struct session *s, enum answer a)
{
	bool any = false;

	while (a == ANSWER_MORE) {
		for (unsigned i = 0; i < s->ask.packet.n; i++) {
			if (any)
				session_line(s, &reply_verified, s->detail);
			set_path_detail(s, s->ask.packet.field[i]);
			any = true;
		}
		a = ask_more(&s->ask);
	}
	if (a == ANSWER_YES && any)
		return &reply_verified;
	s->detail[0] = '\0';
	return session_refused(s, a);
}

const struct reply *
command_vrfy(struct session *s, const char *arg)
{
	struct address a;
	enum answer answer;

	if (!path_read_name(arg, &a))
		return &reply_bad_address;
	if (!s->setup->conf->vrfy ||
	    (a.domain[0] == '\0' && strcasecmp(a.local, "postmaster") != 0))
		return &reply_cannot_verify;
	answer = ask_verify(&s->ask, &a);
	if (answer == ANSWER_RELAY_DENIED)
		return &reply_cannot_verify; /* another host's (RFC 5321 3.5.3) */
	return list_addresses(s, answer);
}

const struct reply *
command_expn(struct session *s, const char *arg)
{
	struct address a;

	if (!s->setup->conf->vrfy)
		return &reply_denied;
	if (!path_read_name(arg, &a) || a.domain[0] == '\0')
		return &reply_bad_address;
	return list_addresses(s, ask_expand(&s->ask, &a));
}
