/*
 * See dispatch_own.h: connections that a keeper hands over since their clients have said
 * ATRN (RFC 2645). They wait here until a runner takes them. Nothing is read of them.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ip.h"
#include "base/log.h"
#include "base/packet.h"
#include "relay/control.h"
#include "relay/dispatch_own.h"
#include "relay/queue.h"

/* RFC 2645: a customer that waits for our EHLO gives up after ten minutes. */
#define TURN_MS (9 * 60 * 1000)

static void
log_turn(const struct turned *t, const char *what)
{
	struct log_line l;

	log_start(&l, "notice");
	log_field(&l, "what", what);
	log_field(&l, "id", t->id);
	log_field(&l, "client", t->client);
	log_send(&l, LOG_LEVEL_WARNING);
}

/* Names of queues, a comma between them. */
static bool
is_list(const char *s)
{
	char name[LIMIT_NAME + 1];
	struct text t;

	for (;;) {
		size_t len = strcspn(s, ",");

		text_init(&t, name, sizeof name);
		text_addn(&t, s, len);
		if (!text_ok(&t) || !queue_is_domain(name))
			return false;
		if (s[len] == '\0')
			return true;
		s += len + 1;
	}
}

/* The next word of *s, which is cut off there. False: it does not fit. */
static bool
take(char **s, char *out, size_t cap)
{
	char *end = *s + strcspn(*s, " ");
	char *next = *end == '\0' ? end : end + 1;

	*end = '\0';
	if (!text_copy(out, cap, *s))
		return false;
	*s = next;
	return out[0] != '\0';
}

void
dispatch_turn(struct dispatch *d, char *word, int conn)
{
	struct turned *t = &d->turned[d->n_turned];
	char verb[8];
	struct ip ip;

	if (d->n_turned == TURNED_MAX) {
		log_notice("too many customers wait for their mail");
		(void)close(conn); /* it asks again */
		return;
	}
	if (!take(&word, verb, sizeof verb) || strcmp(verb, "turn") != 0 ||
	    !take(&word, t->id, sizeof t->id) || !take(&word, t->client, sizeof t->client) ||
	    !take(&word, t->domains, sizeof t->domains) || *word != '\0' ||
	    (!parse_ip(t->client, &ip) && strcmp(t->client, "unknown") != 0) ||
	    !is_list(t->domains)) {
		log_notice("a connection without a word for it");
		(void)close(conn); /* nobody's */
		return;
	}
	t->conn = conn;
	t->until = clock_ms() + TURN_MS;
	d->n_turned++;
}

static void
remove_first(struct dispatch *d)
{
	memmove(d->turned, d->turned + 1, --d->n_turned * sizeof d->turned[0]);
}

void
dispatch_drop_turns(struct dispatch *d)
{
	int64_t now = clock_ms();

	/* In the order they came. */
	while (d->n_turned > 0 && (d->stop || d->turned[0].until <= now)) {
		log_turn(&d->turned[0], "a turned connection was not served in time");
		(void)close(d->turned[0].conn); /* it asks again */
		remove_first(d);
	}
}

/* Customers may be slow: they get half of the runners at most. */
struct runner_seat *
dispatch_turn_seat(struct dispatch *d)
{
	struct runner_seat *found = NULL;
	unsigned turned = 0;

	if (d->n_turned == 0 || d->stop)
		return NULL;
	for (unsigned i = 0; i < d->n_seats; i++) {
		struct runner_seat *s = &d->seats[i];

		turned += s->busy && s->turned;
		if (!s->busy && (found == NULL || (found->pid == 0 && s->pid != 0)))
			found = s;
	}
	return turned < (d->n_seats + 1) / 2 ? found : NULL;
}

bool
dispatch_give_turn(struct dispatch *d, struct runner_seat *s)
{
	static struct packet p;
	struct turned *t = &d->turned[0];
	bool sent;

	packet_start(&p, CONTROL_TURN);
	packet_add(&p, t->client);
	packet_add(&p, t->domains);
	packet_add(&p, t->id);
	sent = packet_send(s->control, &p, t->conn) == 0;
	if (!sent)
		log_error("ask a runner", errno);
	(void)close(t->conn); /* the runner's now */
	remove_first(d);
	if (!sent)
		return false;
	s->domain[0] = s->how[0] = s->id[0] = '\0';
	s->way = 0; /* nobody shares a customer's connection */
	s->share = 1;
	s->turned = s->busy = true;
	d->n_busy++;
	return true;
}
