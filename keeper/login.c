/* See login.h. Called by keeper.c for VERB_AUTH and VERB_RESPONSE. */
#include "keeper/login.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/log.h"

/* auth delays a failure by up to half of this, and may have to wait for a core. */
#define ANSWER_SECONDS 90

void
login_init(struct login *l)
{
	memset(l, 0, sizeof *l);
	l->helper = -1;
}

void
login_cancel(struct login *l)
{
	if (l->helper != -1)
		(void)close(l->helper); /* auth sees it and ends */
	l->helper = -1;
}

void
login_end(struct login *l)
{
	uint64_t attempts = l->attempts;

	login_cancel(l);
	explicit_bzero(l, sizeof *l);
	l->helper = -1;
	l->attempts = attempts;
}

/* Something that can stand in a log, a header, and beside an address. */
static bool
take_login(struct login *l, const char *name)
{
	struct address a;

	if (!parse_address(name, &a) && (name[0] == '\0' || !is_address_safe(name, "")))
		return false;
	l->known = text_copy(l->name, sizeof l->name, name);
	return l->known;
}

/* The last words of auth, each with ours. */
static enum answer
end_exchange(struct login *l, const struct packet *p)
{
	static const struct {
		enum auth_word word;
		enum answer answer;
	} words[] = {
		{ AUTH_REFUSED, ANSWER_AUTH_FAILED },
		{ AUTH_MALFORMED, ANSWER_AUTH_SYNTAX },
		{ AUTH_NO_MECHANISM, ANSWER_NO_MECHANISM },
		{ AUTH_NEEDS_TLS, ANSWER_AUTH_CLEAR },
		{ AUTH_LATER, ANSWER_AUTH_LATER },
	};

	login_cancel(l);
	if (p->letter == AUTH_DONE && p->n == 1 && take_login(l, p->field[0]))
		return ANSWER_YES;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (p->letter == (char)words[i].word && p->n == 0)
			return words[i].answer;
	log_error("auth gave an answer that is none", 0);
	return ANSWER_AUTH_LATER;
}

/* Sends p, wipes it, and reads what auth has to say. */
static enum answer
exchange(struct login *l, struct packet *p, const char **challenge)
{
	int sent = packet_send(l->helper, p, -1);
	int r = -1;

	explicit_bzero(p->buf, sizeof p->buf);
	if (sent == 0) {
		r = packet_recv(l->helper, p);
		packet_close_fds(p); /* none is ever meant for us */
	}
	if (r != 1) {
		log_error("ask auth", r == -1 ? errno : 0);
		login_cancel(l);
		return ANSWER_AUTH_LATER;
	}
	if (p->letter != AUTH_CHALLENGE || p->n != 1)
		return end_exchange(l, p);
	*challenge = p->field[0];
	return ANSWER_CHALLENGE;
}

enum answer
login_begin(struct login *l, const struct login_context *c, const char *mechanism,
            const char *initial, struct packet *p, const char **challenge)
{
	static const struct timeval wait = { ANSWER_SECONDS, 0 };
	const struct tls_facts *tls = c->tls;
	char client[64];
	struct text t;

	if (!(mechanism_by_name(mechanism) & c->conf->mechanisms))
		return ANSWER_NO_MECHANISM;
	if (tls->version[0] == '\0' && !c->conf->auth_without_tls)
		return ANSWER_AUTH_CLEAR;
	l->attempts++;
	l->helper = helper_connect(c->door);
	if (l->helper == -1) {
		log_error("connect to auth", errno);
		return ANSWER_AUTH_LATER;
	}
	(void)setsockopt(l->helper, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	text_init(&t, client, sizeof client);
	ip_text(&t, &c->job->client);
	packet_start(p, AUTH_BEGIN);
	packet_add(p, mechanism);
	packet_add(p, initial);
	packet_add(p, c->job->session_id);
	packet_add(p, client);
	packet_addc(p, (char)c->job->service);
	packet_add(p, tls->version);
	packet_add(p, tls->verified);
	packet_add(p, tls->email);
	packet_add(p, tls->fingerprint);
	packet_add(p, tls->exporter);
	packet_add(p, tls->endpoint);
	return exchange(l, p, challenge);
}

enum answer
login_respond(struct login *l, const char *response, struct packet *p,
              const char **challenge)
{
	packet_start(p, AUTH_RESPONSE);
	packet_add(p, response);
	return exchange(l, p, challenge);
}
