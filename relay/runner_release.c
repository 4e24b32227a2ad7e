/*
 * See runner_run.h: messages held back (RFC 4865) for mailboxes here, and those whose time has
 * passed (RFC 2852). A released message goes to `spool`, as a report does, and takes the way
 * of every other one from there.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "relay/runner_run.h"

bool
run_is_early(const struct envelope *e, time_t now)
{
	return e->release > now;
}

/* -- in mode R late is never ----------------------------------------------------------------- */

bool
settle_late(struct run *r, struct work *w)
{
	bool any = false;

	if (w->m.e.by.mode != BY_RETURN || !by_is_over(&w->m.e.by, time(NULL)))
		return false;
	for (unsigned i = 0; i < w->m.e.n; i++) {
		w->outcomes[i].class = 0;
		if (w->m.e.to[i].state != ENVELOPE_TODO)
			continue;
		w->outcomes[i] = (struct outcome){ .class = '5', .code = "5.4.7",
			.reply = "not delivered by the time that its sender has set" };
		any = true;
	}
	w->host[0] = w->address[0] = w->tls[0] = '\0';
	if (any)
		settle(r, w);
	return any;
}

/* -- mailboxes here --------------------------------------------------------------------------- */

/* The message as it came: a file of its own without what we put before it for a mailbox. */
static int
copy_message(const struct run *r, const struct queue_message *m)
{
	static char buf[64 * 1024];
	int fd = openat(r->setup->state, "tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	off_t at = (off_t)m->e.skip;
	ssize_t n;

	if (fd == -1)
		return -1;
	while ((n = pread(m->message_fd, buf, sizeof buf, at)) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 || write(fd, buf, (size_t)n) != n) {
			int err = n == -1 ? errno : ENOSPC;

			(void)close(fd); /* it has no name */
			errno = err;
			return -1;
		}
		at += n;
	}
	return fd;
}

/* It can't be delivered now: again later, or never. */
static void
put_off(const struct run *r, struct work *w, unsigned i, enum control_reported answer)
{
	struct envelope_to *to = &w->m.e.to[i];
	struct outcome *o = &w->outcomes[i];
	time_t now = time(NULL), end = envelope_start(&w->m.e) + (time_t)r->setup->conf->expire;

	*o = (struct outcome){ .class = '4', .code = "4.2.0",
	                       .reply = "the mailbox cannot take the message now" };
	if (answer == REPORTED_NEVER) {
		*o = (struct outcome){ .class = '5', .code = "5.2.0",
		                       .reply = "the mailbox is gone, or does not take the message" };
	} else if (now >= end) {
		o->class = '5';
		o->expired = true;
		(void)text_copy(o->code, sizeof o->code, "5.4.7");
	} else {
		to->attempts++;
		to->next = now + schedule_backoff(r->setup->conf, to->attempts);
		if (to->next > end)
			to->next = end;
	}
}

static void
deliver_one(struct run *r, struct work *w, unsigned i)
{
	struct envelope_to *to = &w->m.e.to[i];
	enum control_reported answer = REPORTED_LATER;
	int fd = copy_message(r, &w->m);

	if (fd == -1)
		log_error("copy a message into STATE/tmp", errno);
	else
		answer = run_release(r, fd, &w->m.e, i);
	if (fd != -1)
		(void)close(fd); /* it has no name */
	if (answer == REPORTED_YES) {
		w->outcomes[i] = (struct outcome){ .class = '2', .code = "2.0.0",
		                                   .reply = "delivered here" };
		r->sent++;
		/* A report of success, where one is due, is asked for by what spool has queued. */
		to->state = ENVELOPE_DONE;
		to->attempts++;
		to->next = 0;
	} else {
		put_off(r, w, i, answer);
	}
	w->dirty = true;
	if (envelope_put_mark(w->m.envelope_fd, to) == -1)
		log_error("mark a recipient", errno);
	settle_log(r, w, i, answer == REPORTED_YES ? "released" : "deferred");
}

void
settle_released(struct run *r, struct work *w)
{
	time_t now = time(NULL);

	for (unsigned i = 0; i < w->m.e.n; i++) {
		w->outcomes[i].class = 0;
		if (w->m.e.to[i].state != ENVELOPE_HELD || run_is_early(&w->m.e, now) ||
		    (!r->now && w->m.e.to[i].next > now &&
		     w->m.e.to[i].next <= now + (time_t)r->setup->conf->retry_max))
			continue;
		w->host[0] = w->address[0] = w->tls[0] = '\0';
		deliver_one(r, w, i);
	}
}
