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
/* The longest word: a turned connection's. */
#define DISPATCH_WORD (LIMIT_ATRN + LIMIT_ID + 128)
#define SCAN_MS 60000 /* --due, while something is being sent: what became due meanwhile */

/* -1: no such word. */
static int
strength(const char *how)
{
	static const char *const words[] = { "", CONTROL_NAME, CONTROL_ASKED, CONTROL_NOW };

	for (int i = 0; i < 4; i++)
		if (strcmp(words[i], how) == 0)
			return i;
	return -1;
}

/* Twice the same is once; the stronger word counts. */
void
dispatch_add(struct dispatch *d, const char *domain, const char *how, const char *id,
             unsigned tries)
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
	if (strength(how) > strength(p->how))
		(void)text_copy(p->how, sizeof p->how, how);
	/* The log knows the request that came first; others were told that it is under way. */
	if (p->id[0] == '\0')
		(void)text_copy(p->id, sizeof p->id, id); /* of one size */
	p->after = tries > 0 && tries < BUSY_TRIES ? clock_ms() + BUSY_MS : 0;
}

/* The next word of *s, which is cut off there; "" at the end. */
static char *
next_word(char **s)
{
	char *word = *s, *end = word + strcspn(word, " ");

	*s = *end == '\0' ? end : end + 1;
	*end = '\0';
	return word;
}

static const struct runner_seat *
find_running(const struct dispatch *d, const char *domain)
{
	for (unsigned i = 0; i < d->n_seats; i++)
		if (d->seats[i].busy && strcmp(d->seats[i].domain, domain) == 0)
			return &d->seats[i];
	return NULL;
}

/*
 * A word: "DOMAIN", "DOMAIN name", "DOMAIN asked ID", "DOMAIN now". Anything else is
 * nobody's. Who asks while a run is under way that was asked for is served by it: all that
 * is left is mail that came at its very end.
 */
static void
take_word(struct dispatch *d, char *word)
{
	const char *domain = next_word(&word), *how = next_word(&word), *id = next_word(&word);
	const struct runner_seat *s = find_running(d, domain);
	bool asked = strcmp(how, CONTROL_ASKED) == 0;

	if (!queue_is_domain(domain) || strength(how) == -1 || *word != '\0' ||
	    (id[0] != '\0') != asked || strlen(id) > LIMIT_ID) {
		log_notice("a word that names no queue");
		return;
	}
	if (asked && s != NULL && strcmp(s->how, CONTROL_ASKED) == 0)
		how = CONTROL_NAME;
	dispatch_add(d, domain, how, id, 0);
}

/* A datagram, and the descriptor beside it, or -1. As recvmsg(2). */
static ssize_t
receive_word(int door, char *word, size_t room, int *fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { word, room };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
	                      .msg_controllen = sizeof control };
	ssize_t n = recvmsg(door, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	const struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&msg) : NULL;

	*fd = -1;
	/* Room for one: the kernel closes what there may be more. */
	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof *fd))
		memcpy(fd, CMSG_DATA(c), sizeof *fd);
	if (msg.msg_flags & MSG_TRUNC)
		n = 0; /* nobody's word is that long */
	return n;
}

static void
take_any(struct dispatch *d, char *word, int fd)
{
	if (fd != -1)
		dispatch_turn(d, word, fd);
	else
		take_word(d, word);
}

void
dispatch_read_door(struct dispatch *d, int door)
{
	static char word[DISPATCH_WORD];
	ssize_t n;
	int fd;

	while (d->n_pending < PENDING_MAX && d->n_turned < TURNED_MAX &&
	       (n = receive_word(door, word, sizeof word - 1, &fd)) >= 0) {
		word[n] = '\0';
		take_any(d, word, fd);
	}
}

void
dispatch_read_feed(struct dispatch *d)
{
	static struct packet p;
	int r = packet_recv(d->setup->feed, &p);

	if (r == 1 && p.letter == HELPER_WORD && p.n == 1 && p.fd[1] == -1) {
		static char word[DISPATCH_WORD];
		int fd = p.fd[0];

		if (text_copy(word, sizeof word, p.field[0])) {
			p.fd[0] = -1;
			take_any(d, word, fd);
		}
		packet_close_fds(&p);
		return;
	}
	packet_close_fds(&p);
	d->gone = r == 0 || (r == -1 && errno != EAGAIN && errno != EINTR && errno != EBADMSG);
}

void
dispatch_scan(struct dispatch *d)
{
	int fd = openat(d->setup->spool, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	d->scan = fd == -1 ? NULL : fdopendir(fd);
	if (d->scan == NULL)
		die_temp("read STATE/spool", errno);
	d->scan_again = clock_ms() + SCAN_MS;
	/* The timer's run is the regular one. */
	if (d->setup->scan == DISPATCH_DUE && d->tidier == 0)
		dispatch_start_tidier(d);
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
		dispatch_add(d, d->scanned, d->setup->now ? CONTROL_NOW : "", "", BUSY_TRIES);
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
		if (p->after > now || !dispatch_has_room(d, p->way) ||
		    find_running(d, p->domain) != NULL)
			continue;
		(void)text_copy(s->domain, sizeof s->domain, p->domain); /* of one size */
		(void)text_copy(s->how, sizeof s->how, p->how);
		(void)text_copy(s->id, sizeof s->id, p->id);
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
	s->id[0] = '\0';
	s->tries = BUSY_TRIES; /* another flush is at it, and that is enough */
	return find_running(d, s->domain) == NULL;
}
