/* See dispatch_own.h: which domains are to be run, from words, options and the spool. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/packet.h"
#include "relay/control.h"
#include "relay/dispatch_own.h"
#include "relay/queue.h"
#include "relay/schedule.h"

#define BUSY_MS 2000  /* until a domain that another flush has is tried again */
#define SCAN_MS 60000 /* --due, while something is being sent: what became due meanwhile */

/* Twice the same is once; the stronger word counts. */
void
dispatch_add(struct dispatch *d, const char *domain, const char *how, unsigned tries)
{
	struct pending *p = d->pending, *end = d->pending + d->n_pending;

	while (p < end && strcmp(p->domain, domain) != 0)
		p++;
	if (p == end) {
		if (d->n_pending == PENDING_MAX)
			return; /* the timer finds it */
		d->n_pending++;
		*p = (struct pending){ .tries = tries, .way = dispatch_way(d, domain) };
		(void)text_copy(p->domain, sizeof p->domain, domain); /* checked */
	}
	if (strlen(how) > strlen(p->how) || strcmp(how, CONTROL_NOW) == 0)
		(void)text_copy(p->how, sizeof p->how, how);
	p->after = tries > 0 && tries < BUSY_TRIES ? clock_ms() + BUSY_MS : 0;
}

/* A word: "DOMAIN", "DOMAIN name", "DOMAIN now". Anything else is nobody's. */
static void
take_word(struct dispatch *d, char *word)
{
	char *how = strchr(word, ' ');

	if (how != NULL)
		*how++ = '\0';
	if (!queue_is_domain(word) ||
	    (how != NULL && strcmp(how, CONTROL_NAME) != 0 && strcmp(how, CONTROL_NOW) != 0)) {
		log_notice("a word that names no queue");
		return;
	}
	dispatch_add(d, word, how != NULL ? how : "", 0);
}

void
dispatch_read_door(struct dispatch *d, int door)
{
	char word[LIMIT_NAME + 16];
	ssize_t n;

	while (d->n_pending < PENDING_MAX &&
	       (n = recv(door, word, sizeof word - 1, MSG_DONTWAIT)) >= 0) {
		word[n] = '\0';
		take_word(d, word);
	}
}

void
dispatch_read_feed(struct dispatch *d)
{
	static struct packet p;
	int r = packet_recv(d->setup->feed, &p);

	packet_close_fds(&p);
	if (r == 1 && p.letter == HELPER_WORD && p.n == 1) {
		char word[LIMIT_NAME + 16];

		if (text_copy(word, sizeof word, p.field[0]))
			take_word(d, word);
		return;
	}
	d->gone = r == 0 || (r == -1 && errno != EAGAIN && errno != EINTR && errno != EBADMSG);
}

static bool
is_running(const struct dispatch *d, const char *domain)
{
	for (unsigned i = 0; i < d->n_seats; i++)
		if (d->seats[i].busy && strcmp(d->seats[i].domain, domain) == 0)
			return true;
	return false;
}

void
dispatch_scan(struct dispatch *d)
{
	int fd = openat(d->setup->spool, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	d->scan = fd == -1 ? NULL : fdopendir(fd);
	if (d->scan == NULL)
		die_temp("read STATE/spool", errno);
	d->scan_again = clock_ms() + SCAN_MS;
}

/* A run that takes hours must not keep others waiting that become due. */
void
dispatch_scan_again(struct dispatch *d)
{
	bool again = d->n_busy > 0 && clock_ms() >= d->scan_again;

	again |= d->passed_over && d->n_pending < PENDING_MAX / 8;
	if (d->setup->scan == DISPATCH_DUE && d->scan == NULL && again && !d->stop) {
		d->passed_over = false;
		dispatch_scan(d);
	}
}

/* The next directory of the spool that is due. False: the scan has ended. */
static bool
scan_next(struct dispatch *d)
{
	const struct dispatch_setup *setup = d->setup;
	const struct dirent *e;
	time_t now = time(NULL);

	if (d->scanned_due)
		return true;
	while (d->scan != NULL && (e = readdir(d->scan)) != NULL) {
		if (e->d_name[0] == '.' || !queue_is_domain(e->d_name) ||
		    (setup->scan == DISPATCH_DUE &&
		     !schedule_is_due(setup->spool, e->d_name, setup->conf, now)))
			continue;
		(void)text_copy(d->scanned, sizeof d->scanned, e->d_name); /* NAME_MAX */
		d->scanned_due = true;
		d->scanned_way = dispatch_way(d, d->scanned);
		return true;
	}
	if (d->scan != NULL)
		(void)closedir(d->scan); /* only read */
	d->scan = NULL;
	return false;
}

/*
 * The scanned domain's hop is busy: others must not wait behind it. It waits with those that were
 * asked for; where there is no room a second scan finds what is due (--all then waits). False:
 * nothing is to be done but to wait.
 */
static bool
wait_for_room(struct dispatch *d)
{
	if (d->n_pending < PENDING_MAX / 2)
		dispatch_add(d, d->scanned, d->setup->now ? CONTROL_NOW : "", BUSY_TRIES);
	else if (d->setup->scan == DISPATCH_DUE)
		d->passed_over = true;
	else
		return false;
	d->scanned_due = false;
	return true;
}

bool
dispatch_take(struct dispatch *d, struct runner_seat *s)
{
	int64_t now = clock_ms();

	if (d->stop)
		return false;
	for (struct pending *p = d->pending; p < d->pending + d->n_pending; p++) {
		if (p->after > now || !dispatch_has_room(d, p->way) || is_running(d, p->domain))
			continue;
		(void)text_copy(s->domain, sizeof s->domain, p->domain); /* of one size */
		(void)text_copy(s->how, sizeof s->how, p->how);
		s->tries = p->tries;
		s->way = p->way;
		*p = d->pending[--d->n_pending];
		return true;
	}
	do {
		if (!scan_next(d))
			return false;
	} while (!dispatch_has_room(d, d->scanned_way) && wait_for_room(d));
	if (!dispatch_has_room(d, d->scanned_way))
		return false;
	d->scanned_due = false;
	s->way = d->scanned_way;
	(void)text_copy(s->domain, sizeof s->domain, d->scanned);
	(void)text_copy(s->how, sizeof s->how, d->setup->now ? CONTROL_NOW : "");
	s->tries = BUSY_TRIES; /* another flush is at it, and that is enough */
	return !is_running(d, s->domain);
}
