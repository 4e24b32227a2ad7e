/* See demand.h. Reads the argument's form; what it stands for only the keeper knows. */
#include "session/demand.h"

#include <string.h>

#include "base/address.h"
#include "session/ask.h"

bool
demand_is_offered(const struct session *s)
{
	return s->setup->demand;
}

/* RFC 1985 5.2 and 5.3: "@" stands for what is below, too, "#" for a queue. */
static bool
read_argument(const char *arg, enum ask_kind *kind, const char **name)
{
	*kind = arg[0] == '@' ? ASK_BELOW : arg[0] == '#' ? ASK_QUEUE : ASK_DOMAIN;
	*name = arg + (*kind != ASK_DOMAIN);
	if (*kind != ASK_QUEUE)
		return is_domain(*name, strlen(*name));
	return (*name)[0] != '\0' && strlen(*name) <= LIMIT_DOMAIN && is_address_safe(*name, "") &&
	       strcspn(*name, " \t") == strlen(*name);
}

static const struct reply *
say_count(struct session *s, uint64_t count)
{
	struct text t;

	/* RFC 1985 5.3: "253 OK, <n> pending messages for node <x> started". */
	text_init(&t, s->detail, sizeof s->detail);
	text_add(&t, "OK, ");
	text_addu(&t, count);
	text_add(&t, count == 1 ? " pending message started" : " pending messages started");
	return &reply_etrn_count;
}

const struct reply *
demand_do_etrn(struct session *s, const char *arg)
{
	enum ask_kind kind;
	const char *name;
	uint64_t count;
	enum answer a;

	if (!read_argument(arg, &kind, &name))
		return &reply_bad_etrn;
	a = ask_flush(&s->ask, kind, name, &count);
	switch (a) {
	case ANSWER_YES:
		return say_count(s, count);
	case ANSWER_STARTED:
		return &reply_etrn_started;
	case ANSWER_NONE_WAIT:
		return &reply_etrn_none;
	case ANSWER_UNDER_WAY:
		return &reply_etrn_under_way;
	case ANSWER_DENIED:
		return &reply_etrn_denied;
	case ANSWER_ERROR:
		return &reply_etrn_failed;
	default:
		return session_refused(s, a);
	}
}
