/* The requests of a login for mail that waits for it (ETRN, ATRN); see request.h and demand.h. */
#include <string.h>

#include "base/log.h"
#include "keeper/demand.h"
#include "keeper/request.h"

/* "SESSION.e1": nothing else has such an id. */
static bool
make_id(struct keeper *k, char id[LIMIT_ID + 1])
{
	struct text t;

	text_init(&t, id, LIMIT_ID + 1);
	text_add(&t, k->own.job.session_id);
	text_add(&t, ".e");
	text_addu(&t, ++k->asked);
	return text_ok(&t);
}

/* A domain or the name of a queue: letters that can be in one. */
static bool
is_kind(const char *kind)
{
	return (kind[0] == ASK_DOMAIN || kind[0] == ASK_BELOW || kind[0] == ASK_QUEUE) &&
	       kind[1] == '\0';
}

static void
log_request(const struct keeper *k, const char *id, enum answer a,
            const struct demand_result *r)
{
	static const struct {
		enum answer answer;
		const char *word;
	} words[] = {
		{ ANSWER_YES, "started" },
		{ ANSWER_STARTED, "started" },
		{ ANSWER_UNDER_WAY, "under-way" },
		{ ANSWER_NONE_WAIT, "none" },
		{ ANSWER_DENIED, "denied" },
		{ ANSWER_ERROR, "failed" },
	};
	const char *kind = k->in.field[0][0] == ASK_DOMAIN ? "" : k->in.field[0];
	char what[LIMIT_DOMAIN + 2];
	struct log_line l;
	struct text t;

	text_init(&t, what, sizeof what);
	text_add(&t, kind);
	text_add(&t, k->in.field[1]);
	log_start(&l, "etrn");
	log_field(&l, "id", id);
	log_field(&l, "what", what);
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (words[i].answer == a)
			log_field(&l, "result", words[i].word);
	log_number(&l, "domains", r->domains);
	log_number(&l, "count", r->count);
	log_send(&l, a == ANSWER_DENIED ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO);
}

static struct demand
demand_of(const struct keeper *k, const char *id)
{
	return (struct demand){ k->own.state, k->own.domains, &k->own.flush, k->login.name, id };
}

bool
demand_do_flush(struct keeper *k)
{
	const char *kind = k->in.field[0], *name = k->in.field[1];
	char id[LIMIT_ID + 1];
	struct demand d = demand_of(k, id);
	struct demand_result r;
	enum answer a;

	if (!is_kind(kind) || name[0] == '\0' || strlen(name) > LIMIT_DOMAIN || !make_id(k, id))
		return false;
	a = demand_flush(&d, (enum ask_kind)kind[0], name, &r);
	log_request(k, id, a, &r);
	if (a != ANSWER_YES)
		return request_say(k, a);
	packet_start(&k->out, ANSWER_YES);
	packet_addu(&k->out, r.count);
	return request_reply(k, -1);
}

/* Where ATRN is: see session/demand.c, which offers it. */
static bool
may_turn(const struct keeper *k)
{
	enum service s = k->own.job.service;

	return s == SERVICE_ODMR || (is_submission(s) && k->own.conf->atrn_submission);
}

static void
log_turn(const char *id, const char *what, const char *result)
{
	struct log_line l;

	log_start(&l, "atrn");
	log_field(&l, "id", id);
	log_field(&l, "what", what);
	log_field(&l, "result", result);
	log_send(&l, LOG_LEVEL_INFO);
}

bool
demand_do_turn(struct keeper *k)
{
	struct demand d = demand_of(k, k->turn.id);
	enum answer a;

	if (!may_turn(k) || strlen(k->in.field[0]) > LIMIT_ATRN || !make_id(k, k->turn.id))
		return false;
	a = demand_turn(&d, k->in.field[0], &k->turn);
	if (a == ANSWER_YES)
		k->have |= TURNING;
	else
		log_turn(k->turn.id, k->in.field[0], a == ANSWER_DENIED    ? "denied" :
		                                     a == ANSWER_NONE_WAIT ? "none" : "failed");
	return request_say(k, a);
}

/* The session has closed its descriptor; ours, and TLS behind it, are flush's from here on. */
bool
demand_do_turned(struct keeper *k)
{
	struct demand d = demand_of(k, k->turn.id);
	char client[64];
	struct text t;

	text_init(&t, client, sizeof client);
	ip_text(&t, &k->own.job.client);
	k->turned = demand_turned(&d, &k->turn, k->own.job.client.known ? client : "unknown",
	                          k->own.job.conn);
	log_turn(k->turn.id, k->turn.domains, k->turned ? "turned" : "failed");
	if (!k->turned)
		k->lost = true;
	return true;
}
