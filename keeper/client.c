/*
 * Who the client is, and what it may: PROXY, XCLIENT, TLS and AUTH. The handlers of
 * these requests; see request.h.
 */
#include <string.h>

#include "base/log.h"
#include "keeper/request.h"

static void
set_rights(struct keeper *k)
{
	k->own.may_relay = k->own.always_relay || k->have & LOGIN ||
	                   is_ip_in(&k->own.job.client, &k->own.conf->relay_from);
	k->resolver.may_relay = k->own.may_relay;
}

static void
forget_login(struct keeper *k)
{
	login_end(&k->login);
	k->have &= ~(unsigned)(LOGIN | EXCHANGE);
	log_login("");
	set_rights(k);
}

/* The client is another one from here on: in the log, in headers, in what it may. */
static bool
change_client(struct keeper *k)
{
	char text[64];
	struct text t;
	struct ip ip;

	memset(&ip, 0, sizeof ip);
	if (k->in.field[0][0] != '\0') {
		if (strcmp(k->in.field[0], PEER_UNKNOWN) != 0 && !parse_ip(k->in.field[0], &ip))
			return false;
		k->own.job.client = ip;
	}
	/* RFC 3207 4.2 for STARTTLS, and the sense of XCLIENT: who logged in was another. */
	forget_login(k);
	text_init(&t, text, sizeof text);
	ip_text(&t, &k->own.job.client);
	log_context(k->own.job.session_id, text);
	return request_say(k, ANSWER_YES);
}

bool
client_do_peer(struct keeper *k)
{
	if (!is_ip_in(&k->own.job.client, &k->own.conf->proxies) || !change_client(k))
		return false;
	k->peer = k->own.job.client;
	return true;
}

bool
client_do_xclient(struct keeper *k)
{
	return is_ip_in(&k->peer, &k->own.conf->xclient) && change_client(k);
}


bool
client_do_tls(struct keeper *k)
{
	return k->own.may_secure &&
	       request_say(k, secure_ask(&k->secure, &k->own.tls) ? ANSWER_YES : ANSWER_ERROR);
}

/* The session has closed its descriptor: it gets another one, or nothing. */
bool
client_do_secure(struct keeper *k)
{
	const struct tls_facts *facts = &k->secure.facts;

	if (!k->own.may_secure && !is_implicit_tls(k->own.job.service))
		return false;
	if (!k->own.may_secure) {
		log_error("TLS from the start is asked for, but there is no tls-cert", 0);
		return request_say(k, ANSWER_ERROR);
	}
	if (!secure_ask(&k->secure, &k->own.tls) ||
	    !secure_start(&k->secure, &k->in, &k->own.job, k->own.conf->handshake))
		return request_say(k, ANSWER_ERROR);
	k->have |= SECURED;
	forget_login(k);
	packet_start(&k->out, ANSWER_YES);
	packet_add(&k->out, facts->subject[0] != '\0' ? "yes" : "");
	packet_add(&k->out, facts->exporter[0] != '\0' || facts->endpoint[0] != '\0' ?
	                    "yes" : "");
	return request_reply(k, k->own.job.conn);
}

/* An exchange has come so far: the session hears of it. */
static bool
tell_step(struct keeper *k, enum answer a, const char *challenge)
{
	k->have &= ~(unsigned)EXCHANGE;
	if (a != ANSWER_CHALLENGE) {
		if (a == ANSWER_YES) {
			k->have |= LOGIN;
			log_login(k->login.name);
			set_rights(k);
		}
		explicit_bzero(k->out.buf, sizeof k->out.buf);
		return request_say(k, a);
	}
	k->have |= EXCHANGE;
	packet_start(&k->out, ANSWER_CHALLENGE);
	packet_add(&k->out, challenge);
	return request_reply(k, -1);
}

/* Base64, or what RFC 4954 writes for an empty response. */
static bool
is_response(const char *s)
{
	return strlen(s) <= LIMIT_SASL &&
	       strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") ==
	       strlen(s);
}

bool
client_do_auth(struct keeper *k)
{
	struct login_context c = {
		.conf = k->own.conf,
		.door = &k->own.auth,
		.job = &k->own.job,
		.tls = &k->secure.facts,
	};
	const char *challenge = "";
	enum answer a;

	/* More of them than the session would let its client have. */
	if (k->login.attempts > k->own.conf->errors || !is_response(k->in.field[1]))
		return false;
	a = login_begin(&k->login, &c, k->in.field[0], k->in.field[1], &k->out, &challenge);
	explicit_bzero(k->in.buf, k->in.len);
	return tell_step(k, a, challenge);
}

bool
client_do_response(struct keeper *k)
{
	const char *challenge = "";
	enum answer a;

	if (!is_response(k->in.field[0]))
		return false;
	a = login_respond(&k->login, k->in.field[0], &k->out, &challenge);
	explicit_bzero(k->in.buf, k->in.len);
	return tell_step(k, a, challenge);
}

bool
client_do_cancel(struct keeper *k)
{
	login_cancel(&k->login);
	k->have &= ~(unsigned)EXCHANGE;
	return true;
}
