/*
 * See sasl.h. Lines of the exchange are wiped as soon as the keeper has them: they
 * may hold a password.
 */
#include "session/sasl.h"

#include <string.h>

/* Mechanisms that could be used now. */
static unsigned
find_mechanisms(const struct session *s)
{
	const struct conf *conf = s->setup->conf;
	unsigned m = conf->mechanisms;

	if (s->setup->service == SERVICE_LMTP)
		return 0;
	if (conf->auth[0] != '\0')
		m &= MECHANISMS_FOREIGN;
	if (!s->channel)
		m &= ~(unsigned)MECHANISM_SCRAM_SHA_256_PLUS;
	if (!s->certificate)
		m &= ~(unsigned)MECHANISM_EXTERNAL;
	return m;
}

bool
sasl_is_offered(const struct session *s)
{
	return (s->have & TLS || s->setup->conf->auth_without_tls) && !(s->have & LOGIN) &&
	       find_mechanisms(s) != 0;
}

void
sasl_add_mechanisms(const struct session *s, struct text *t)
{
	unsigned wanted = find_mechanisms(s);
	unsigned bit;
	const char *name;

	for (unsigned i = 0; (name = mechanism_name(i, &bit)) != NULL; i++)
		if (wanted & bit) {
			text_addc(t, ' ');
			text_add(t, name);
		}
}

/* RFC 4648 4, as far as a carrier cares: alphabet and padding. */
static bool
is_base64(const char *s)
{
	size_t len = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                       "0123456789+/");
	size_t pad = strspn(s + len, "=");

	return s[len + pad] == '\0' && pad <= 2 && (len + pad) % 4 == 0;
}

/* The client's next line: NULL and *line, or the reply that ends the exchange. */
static const struct reply *
read_response(struct session *s, char **line)
{
	enum io_result result;
	enum io_line kind = io_getline(&s->io, s->setup->conf->command, line, &result);

	if (kind == LINE_NONE)
		return session_lost(s, result);
	if (kind != LINE_OK)
		s->over |= kind == LINE_ENDLESS;
	else if (strcmp(*line, "*") == 0)
		return &reply_cancelled;
	else if (strlen(*line) <= LIMIT_SASL)
		return is_base64(*line) ? NULL : &reply_bad_base64;
	if (kind == LINE_BARE)
		return &reply_bare_command;
	if (kind == LINE_NUL)
		return &reply_bad_base64;
	return &reply_auth_line;
}

static const struct reply *
finish(struct session *s, enum answer a)
{
	if (a != ANSWER_YES)
		return session_refused(s, a);
	s->have |= LOGIN;
	return &reply_authenticated;
}

/* Challenges and responses until auth has made up its mind. */
static const struct reply *
converse(struct session *s, enum answer a)
{
	while (a == ANSWER_CHALLENGE) {
		const struct reply *wrong;
		char *line = NULL;

		if (!text_copy(s->detail, sizeof s->detail, s->ask.packet.field[0]))
			return session_refused(s, ANSWER_GONE);
		session_send(s, &reply_challenge);
		wrong = read_response(s, &line);
		if (wrong != NULL || s->over) {
			ask_cancel(&s->ask);
			return wrong;
		}
		a = ask_response(&s->ask, line);
		io_forget(&s->io);
	}
	return finish(s, a);
}

const struct reply *
sasl_do_auth(struct session *s, const char *arg)
{
	char mechanism[32];
	size_t len = strcspn(arg, " ");
	const char *initial = arg + len + strspn(arg + len, " ");
	struct text t;
	enum answer a;

	if (find_mechanisms(s) == 0)
		return &reply_no_auth;
	if (!sasl_is_offered(s))
		return &reply_auth_clear;
	text_init(&t, mechanism, sizeof mechanism);
	text_addn(&t, arg, len);
	if (!text_ok(&t))
		return &reply_no_mechanism;
	if (strlen(initial) > LIMIT_SASL)
		return &reply_auth_line;
	/* "=" stands for an empty one (RFC 4954 4). */
	if (strcmp(initial, "=") != 0 && !is_base64(initial))
		return &reply_bad_base64;
	a = ask_auth(&s->ask, mechanism, initial);
	io_forget(&s->io);
	return converse(s, a);
}
