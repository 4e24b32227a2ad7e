/*
 * See serve.h. Helper_run() forks a process for each connection; this is all it does. The
 * order: the runner of a foreign program, then the confinement, then the first packet.
 */
#include "auth/serve.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "auth/account.h"
#include "auth/confine.h"
#include "auth/foreign.h"
#include "auth/sasl.h"
#include "base/clock.h"
#include "base/helper.h"
#include "base/log.h"
#include "base/packet.h"

/* The keeper connects in order to ask: what it has to say is there at once. */
#define BEGIN_MS 10000

/* A packet within the time: 1, 0 closed, -1 silence or a broken one. */
static int
receive(int conn, struct packet *p, int64_t ms)
{
	struct pollfd wait = { conn, POLLIN, 0 };
	int64_t end = clock_ms() + ms, left;
	int r = 0;

	p->fd[0] = p->fd[1] = -1;
	while ((left = end - clock_ms()) > 0 && r == 0) {
		r = poll(&wait, 1, (int)left);
		if (r == -1 && errno == EINTR)
			r = 0;
	}
	if (r != 1)
		return -1;
	r = packet_recv(conn, p);
	packet_close_fds(p); /* none is ever sent */
	return r == -1 && errno == ECONNRESET ? 0 : r;
}

static enum outcome
ask_keeper(struct attempt *a, const char *challenge, char *response)
{
	struct packet p;
	int r;

	packet_start(&p, AUTH_CHALLENGE);
	packet_add(&p, challenge);
	if (packet_send(a->conn, &p, -1) == -1)
		return attempt_fail(a, OUTCOME_GONE, "gone");
	r = receive(a->conn, &p, (int64_t)a->auth->conf.command * 1000);
	if (r == 0)
		return attempt_fail(a, OUTCOME_GONE, "gone");
	if (r != 1)
		return attempt_fail(a, OUTCOME_GONE, "silent");
	r = p.letter == AUTH_RESPONSE && p.n == 1 &&
	    text_copy(response, LIMIT_SASL + 1, p.field[0]);
	sodium_memzero(&p, sizeof p);
	return r ? OUTCOME_YES : attempt_fail(a, OUTCOME_MALFORMED, "packet");
}

/* The fields of AUTH_BEGIN behind the mechanism. False: the keeper breaks the contract. */
static bool
read_begin(struct attempt *a, const struct packet *p)
{
	const char *const *f = p->field;

	a->tls = p->n == AUTH_BEGIN_FIELDS && f[5][0] != '\0';
	a->verified = p->n == AUTH_BEGIN_FIELDS && strcmp(f[6], "yes") == 0;
	return p->letter == AUTH_BEGIN && p->n == AUTH_BEGIN_FIELDS &&
	       text_copy(a->initial, sizeof a->initial, f[1]) &&
	       text_copy(a->session, sizeof a->session, f[2]) &&
	       text_copy(a->client, sizeof a->client, f[3]) &&
	       text_copy(a->email, sizeof a->email, f[7]) &&
	       text_copy(a->fingerprint, sizeof a->fingerprint, f[8]) &&
	       text_copy(a->exporter, sizeof a->exporter, f[9]) &&
	       text_copy(a->endpoint, sizeof a->endpoint, f[10]);
}

static void
answer(int conn, char word, const char *field)
{
	struct packet p;

	packet_start(&p, word);
	if (field != NULL)
		packet_add(&p, field);
	(void)packet_send(conn, &p, -1); /* who is gone needs no answer */
}

void
serve_log(const struct attempt *a, enum outcome o)
{
	struct log_line l;

	log_start(&l, o == OUTCOME_YES ? "auth" : "auth-failed");
	log_field(&l, "login", a->login.name);
	log_field(&l, "mechanism", a->mechanism);
	if (o != OUTCOME_YES)
		log_field(&l, "reason", a->reason);
	log_send(&l, o == OUTCOME_YES ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING);
}

static char
word_of(enum outcome o)
{
	switch (o) {
	case OUTCOME_YES:
		return AUTH_DONE;
	case OUTCOME_NO:
		return AUTH_REFUSED;
	case OUTCOME_MALFORMED:
		return AUTH_MALFORMED;
	case OUTCOME_LATER:
	case OUTCOME_GONE: /* nobody hears it, unless the keeper waits for us yet */
		break;
	}
	return AUTH_LATER;
}

/* The bit of an enabled mechanism; otherwise 0, and *word says why not. */
static unsigned
find_mechanism(struct attempt *a, const char *name, char *word)
{
	const struct conf *c = &a->auth->conf;
	unsigned mine = c->auth[0] != '\0' ? MECHANISMS_FOREIGN : ~0U;
	unsigned bit = mechanism_by_name(name) & c->mechanisms & mine;
	const char *own;
	unsigned same;

	*word = AUTH_NO_MECHANISM;
	if (bit == 0)
		return 0;
	for (unsigned i = 0; (own = mechanism_name(i, &same)) != NULL; i++)
		if (same == bit)
			a->mechanism = own;
	*word = AUTH_NEEDS_TLS;
	return a->tls || c->auth_without_tls ? bit : 0;
}

static void
run(struct attempt *a, const char *mechanism)
{
	char word;
	unsigned bit = find_mechanism(a, mechanism, &word);
	enum outcome o;

	if (bit == 0) {
		answer(a->conn, word, NULL);
		return;
	}
	o = sasl_run(a, bit);
	serve_log(a, o);
	answer(a->conn, word_of(o), o == OUTCOME_YES ? a->login.name : NULL);
	if (o == OUTCOME_YES)
		account_upgrade(a);
}

static void
serve(struct auth *auth, int conn)
{
	static struct attempt a;
	static struct packet p;
	static char mechanism[64];

	a.auth = auth;
	a.ask = ask_keeper;
	a.conn = conn;
	a.reason = "";
	if (receive(conn, &p, BEGIN_MS) != 1)
		return;
	if (read_begin(&a, &p) && text_copy(mechanism, sizeof mechanism, p.field[0])) {
		sodium_memzero(&p, sizeof p);
		log_context(a.session, a.client);
		run(&a, mechanism);
	} else if (p.letter == AUTH_BEGIN && p.n == AUTH_BEGIN_FIELDS) {
		answer(conn, AUTH_MALFORMED, NULL);
	} else {
		log_notice("what connects here is no keeper of this version");
	}
	sodium_memzero(&p, sizeof p);
	sodium_memzero(&a, sizeof a);
}

int
serve_attempt(struct auth *auth, int conn)
{
	/* Whatever happens: no longer than a session lasts. */
	(void)alarm((unsigned)auth->conf.session);
	auth->foreign = -1;
	if (auth->conf.auth[0] != '\0') {
		auth->foreign = foreign_start(auth->conf.auth);
		if (auth->foreign == -1)
			die_temp("starting the program of the key `auth`", errno);
	}
	if (confine_attempt(auth->foreign == -1 ? auth->dir : -1) == -1)
		die_temp("confining an attempt", errno);
	serve(auth, conn);
	return 0;
}
