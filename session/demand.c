/* See demand.h. Reads the arguments' form; what they stand for only the keeper knows. */
#include "session/demand.h"

#include <string.h>

#include "base/address.h"
#include "session/ask.h"

bool
demand_is_offered(const struct session *s)
{
	return s->setup->demand && s->setup->service != SERVICE_ODMR;
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

bool
demand_may_turn(const struct session *s)
{
	enum service service = s->setup->service;

	return service == SERVICE_ODMR ||
	       (is_submission(service) && s->setup->conf->atrn_submission && s->setup->demand);
}

/* RFC 2645 5.2.1: domain *("," domain); blanks behind a comma do no harm. */
static bool
read_domains(const char *arg, char out[LIMIT_ATRN + 1])
{
	struct text t;

	text_init(&t, out, LIMIT_ATRN + 1);
	for (;;) {
		size_t len = strcspn(arg, ",");
		char name[LIMIT_DOMAIN + 1];
		struct text one;

		text_init(&one, name, sizeof name);
		text_addn(&one, arg, len);
		if (!text_ok(&one) || !is_domain(name, one.len))
			return false;
		text_add(&t, name);
		if (arg[len] == '\0')
			return text_ok(&t);
		text_addc(&t, ',');
		arg += len + 1;
		arg += strspn(arg, " \t");
	}
}

const struct reply *
demand_do_atrn(struct session *s, const char *arg)
{
	char domains[LIMIT_ATRN + 1] = "";
	enum answer a;

	if (!demand_may_turn(s))
		return &reply_no_atrn;
	if (*arg != '\0' && !read_domains(arg, domains))
		return &reply_bad_turn;
	a = ask_turn(&s->ask, domains);
	switch (a) {
	case ANSWER_YES:
		session_send(s, &reply_turning);
		session_turn(s);
		return NULL;
	case ANSWER_NONE_WAIT:
		return &reply_turn_none;
	case ANSWER_DENIED:
		return &reply_turn_refused;
	case ANSWER_ERROR:
		return &reply_turn_later;
	default:
		return session_refused(s, a);
	}
}
