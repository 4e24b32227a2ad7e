/*
 * The half of dialogue.h's keeper that handles no message: VRFY, PROXY, TLS and AUTH.
 * Included there and nowhere else. The script is in the base64 that the client sends, by its
 * first letter: C a challenge, Y yes, F wrong, M malformed, N no such mechanism, T not
 * without TLS, L later, E an empty challenge, Z an answer that breaks the boundary's
 * form, G a keeper that goes away; any other: wrong.
 */
#ifndef TESTS_FUZZ_DIALOGUE_CLIENT_H
#define TESTS_FUZZ_DIALOGUE_CLIENT_H

/* VRFY and EXPN: as many lines as the domain is long. */
static void
dialogue_verify(struct packet *p)
{
	enum answer a = dialogue_letter(p->field[0], '!');
	size_t lines = p->letter == VERB_VERIFY ? 1 : strlen(p->field[1]);
	char text[LIMIT_ADDRESS + 1];
	struct address to;
	struct text t;

	CHECK(p->n == 2 && dialogue.conf->vrfy && is_address_safe(p->field[0], p->field[1]));
	CHECK(text_copy(to.local, sizeof to.local, p->field[0]) &&
	      text_copy(to.domain, sizeof to.domain, p->field[1]));
	text_init(&t, text, sizeof text);
	address_text(&t, &to);
	CHECK(text_ok(&t));
	for (size_t i = 0; i < lines && i < 20 && a == ANSWER_YES; i++) {
		packet_start(p, ANSWER_MORE);
		packet_add(p, text);
		CHECK(packet_send(dialogue.keeper, p, -1) == 0);
	}
	dialogue_say(p, a);
}

static void
dialogue_peer(struct packet *p)
{
	struct ip ip;

	CHECK(p->n == 1 && (p->field[0][0] == '\0' || parse_ip(p->field[0], &ip)));
	CHECK(p->letter == VERB_XCLIENT ? !(dialogue.have & BEGUN) : !(dialogue.have & SPOKEN));
	dialogue.have &= ~(unsigned)LOGGED_IN;
	dialogue_say(p, ANSWER_YES);
}

/* A session closes the plain descriptor before it asks for another one. */
static void
dialogue_check_closed(void)
{
	char octet;

	dialogue_drain();
	CHECK(send(dialogue.client, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == -1 && errno == EPIPE);
	CHECK(recv(dialogue.client, &octet, 1, MSG_DONTWAIT) <= 0);
}

static void
dialogue_tls(struct packet *p)
{
	CHECK(p->n == 0 && dialogue.may_secure && !(dialogue.have & (BEGUN | SECURED)));
	dialogue_say(p, dialogue.tls == DIALOGUE_NO_TLS ? ANSWER_ERROR : ANSWER_YES);
}

/* ETRN, answered by the name's first letter. */
static void
dialogue_flush(struct packet *p)
{
	static const struct {
		char letter;
		enum answer answer;
	} rows[] = {
		{ 'n', ANSWER_NONE_WAIT },
		{ 's', ANSWER_STARTED },
		{ 'w', ANSWER_UNDER_WAY },
		{ 'd', ANSWER_DENIED },
		{ 'e', ANSWER_ERROR },
		{ 'z', ANSWER_FULL },
	};

	CHECK(p->n == 2 && strlen(p->field[0]) == 1 && strchr("-@#", p->field[0][0]) != NULL);
	CHECK((dialogue.have & LOGGED_IN) && !(dialogue.have & BEGUN));
	CHECK(p->field[1][0] != '\0' && strlen(p->field[1]) <= LIMIT_DOMAIN &&
	      (p->field[0][0] == ASK_QUEUE || is_domain(p->field[1], strlen(p->field[1]))));
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].letter == p->field[1][0]) {
			dialogue_say(p, rows[i].answer);
			return;
		}
	packet_start(p, ANSWER_YES);
	if (p->field[1][0] != 'o') /* the form is broken */
		packet_addu(p, 3);
	CHECK(packet_send(dialogue.keeper, p, -1) == 0);
}

/* ATRN, the same way; what it names are domains with a comma between them. */
static void
dialogue_turn(struct packet *p)
{
	const char *s = p->n == 1 ? p->field[0] : "";
	char first = s[0];

	CHECK(p->n == 1 && strlen(s) <= LIMIT_ATRN);
	CHECK((dialogue.have & LOGGED_IN) && !(dialogue.have & BEGUN));
	while (*s != '\0') {
		size_t len = strcspn(s, ",");

		CHECK(is_domain(s, len));
		s += len + (s[len] == ',');
	}
	dialogue.turning = first != 'n' && first != 'd' && first != 'e';
	dialogue_say(p, first == 'n' ? ANSWER_NONE_WAIT : first == 'd' ? ANSWER_DENIED :
	                first == 'e' ? ANSWER_ERROR : ANSWER_YES);
}

/* From here on the client is at the end of another pair. */
static void
dialogue_secure(struct packet *p)
{
	struct dialogue *d = &dialogue;
	int pair[2];

	CHECK(p->n == 0 && d->may_secure && !(d->have & (BEGUN | SECURED)));
	dialogue_check_closed();
	if (d->tls == DIALOGUE_NO_TLS || d->tls == DIALOGUE_TLS_FAILS) {
		dialogue_say(p, ANSWER_ERROR);
		return;
	}
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	CHECK(close(d->client) == 0);
	d->client = pair[1];
	d->ended = false;
	d->have = SPOKEN | SECURED;
	packet_start(p, ANSWER_YES);
	packet_add(p, d->certificate ? "yes" : "");
	if (d->tls != DIALOGUE_TLS_ODD)
		packet_add(p, d->channel ? "yes" : "");
	CHECK(packet_send(d->keeper, p, pair[0]) == 0);
	CHECK(close(pair[0]) == 0);
}

static void
dialogue_challenge(struct packet *p, const char *text)
{
	dialogue.have |= EXCHANGE;
	packet_start(p, ANSWER_CHALLENGE);
	packet_add(p, text);
	CHECK(packet_send(dialogue.keeper, p, -1) == 0);
}

/* What a session sends on is base64 in form, and has a length that fits. */
static void
dialogue_check_base64(const char *s)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";

	CHECK(strlen(s) <= LIMIT_SASL && s[strspn(s, alphabet)] == '\0');
	CHECK(strlen(s) % 4 == 0 || strcmp(s, "=") == 0);
}

static void
dialogue_judge(struct packet *p, char how)
{
	dialogue.have &= ~(unsigned)EXCHANGE;
	switch (how) {
	case 'C':
		dialogue_challenge(p, "Y2hhbGxlbmdl");
		break;
	case 'E':
		dialogue_challenge(p, "");
		break;
	case 'Y':
		dialogue.have |= LOGGED_IN;
		dialogue_say(p, ANSWER_YES);
		break;
	case 'Z':
		packet_start(p, ANSWER_CHALLENGE);
		CHECK(packet_send(dialogue.keeper, p, -1) == 0);
		break;
	case 'G':
		CHECK(shutdown(dialogue.keeper, SHUT_RDWR) == 0);
		break;
	default:
		dialogue_say(p, how == 'M' ? ANSWER_AUTH_SYNTAX :
		                how == 'N' ? ANSWER_NO_MECHANISM :
		                how == 'T' ? ANSWER_AUTH_CLEAR :
		                how == 'L' ? ANSWER_AUTH_LATER : ANSWER_AUTH_FAILED);
	}
}

static void
dialogue_auth(struct packet *p)
{
	const struct conf *conf = dialogue.conf;
	char how = p->field[1][0];

	CHECK(p->n == 2 && !(dialogue.have & (BEGUN | LOGGED_IN)) && !dialogue.lmtp);
	CHECK(dialogue.have & SECURED || conf->auth_without_tls);
	CHECK(p->field[0][0] != '\0' && strchr(p->field[0], ' ') == NULL);
	dialogue_check_base64(p->field[1]);
	/* None, so far: the server speaks first. */
	dialogue_judge(p, how == '\0' || how == '=' ? 'C' : how);
}

static void
dialogue_response(struct packet *p)
{
	char how = p->field[0][0];

	CHECK(p->n == 1 && dialogue.have & EXCHANGE);
	dialogue_check_base64(p->field[0]);
	dialogue_judge(p, how);
}

static void
dialogue_cancel(const struct packet *p)
{
	CHECK(p->n == 0 && dialogue.have & EXCHANGE);
	dialogue.have &= ~(unsigned)EXCHANGE;
}

#endif
