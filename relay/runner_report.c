/*
 * See runner_run.h: who hears of what. A report is made in memory and given to the
 * dispatcher, which has `spool` queue it: so it takes the way of every other message.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "relay/control.h"
#include "relay/report.h"
#include "relay/runner_run.h"

/* qmail-queue's envelope: a sender, NULL for the null one, and one recipient. */
static int
make_envelope(const struct address *from, const struct address *to)
{
	char buf[2 * LIMIT_ADDRESS + 8];
	int fd = memfd_create("envelope", MFD_CLOEXEC);
	struct text t;

	text_init(&t, buf, sizeof buf);
	text_add(&t, "F");
	if (from != NULL)
		address_text(&t, from);
	text_addc(&t, '\0');
	text_add(&t, "T");
	address_text(&t, to);
	text_addc(&t, '\0');
	text_addc(&t, '\0');
	if (fd == -1 || !text_ok(&t) || write(fd, buf, t.len) != (ssize_t)t.len ||
	    lseek(fd, 0, SEEK_SET) == -1) {
		if (fd != -1)
			(void)close(fd); /* in memory only */
		return -1;
	}
	return fd;
}

static enum control_reported
wait_for_answer(struct run *r)
{
	static struct packet p;
	int got;

	/* The dispatcher answers in LIMIT_REPORT_WAIT; when it is gone there is an end. */
	do
		got = packet_recv(r->setup->control, &p);
	while (got == 1 && run_share(r, &p));
	if (got == 1 && p.letter == CONTROL_REPORTED && p.n == 1)
		return (enum control_reported)p.field[0][0];
	packet_close_fds(&p);
	return REPORTED_LATER;
}

/* The queue's own form: what MAIL and RCPT had said is in it. */
static int
make_queued(const struct envelope *e, unsigned i, int message)
{
	static struct envelope one;
	int fd = memfd_create("envelope", MFD_CLOEXEC);
	struct stat st;

	memcpy(&one, e, offsetof(struct envelope, to));
	one.n = 1;
	one.to[0] = e->to[i];
	one.to[0].state = ENVELOPE_TODO;
	one.to[0].delay_told = false;
	one.to[0].next = 0;
	one.to[0].attempts = 0;
	one.hold = false;
	one.skip = 0; /* what did not travel was left out */
	one.release = 0;
	if (fd != -1 && fstat(message, &st) == 0) {
		one.size = (uint64_t)st.st_size;
		if (envelope_write(fd, &one) == 0)
			return fd;
	}
	if (fd != -1)
		(void)close(fd); /* in memory only */
	return -1;
}

/* envelope is closed here. */
static enum control_reported
give(struct run *r, int fd, int envelope, const char *how)
{
	enum control_reported answer = REPORTED_LATER;
	static struct packet p;

	packet_start(&p, CONTROL_REPORT);
	packet_add(&p, how);
	if (envelope != -1 && lseek(fd, 0, SEEK_SET) == 0 &&
	    packet_send_pair(r->setup->control, &p, fd, envelope) == 0)
		answer = wait_for_answer(r);
	else
		log_error("give a message to spool", errno);
	if (envelope != -1)
		(void)close(envelope); /* in memory only */
	return answer;
}

enum control_reported
run_inject(struct run *r, int fd, const struct address *from, const struct address *to,
           bool tls)
{
	return give(r, fd, make_envelope(from, to), tls ? CONTROL_TLS : "");
}

enum control_reported
run_release(struct run *r, int fd, const struct envelope *e, unsigned i)
{
	return give(r, fd, make_queued(e, i, fd), CONTROL_QUEUED);
}

static void
log_report(const struct run *r, const struct work *w, const char *event, int kind, unsigned n)
{
	static const char *const kinds[] = { "failed", "delayed", "relayed", "delivered", "double" };
	struct log_line l;

	log_start(&l, event);
	log_field(&l, "id", w->m.e.id);
	log_field(&l, "domain", r->domain);
	log_field(&l, "kind", kinds[kind]);
	log_number(&l, "recipients", n);
	log_send(&l, LOG_LEVEL_INFO);
}

static enum control_reported
send_report(struct run *r, const struct work *w, enum report_kind kind,
            const unsigned short *which, unsigned n)
{
	const struct conf *c = r->setup->conf;
	const struct envelope *e = &w->m.e;
	struct report report = {
		.conf = c, .kind = kind, .e = e, .message_fd = w->m.message_fd,
		.n = n, .which = which, .host = w->host, .address = w->address,
		.outcomes = kind == REPORT_DELIVERED ? NULL : w->outcomes, .now = time(NULL),
	};
	enum control_reported answer = REPORTED_LATER;
	int fd = memfd_create("report", MFD_CLOEXEC);

	if (fd != -1 && report_write(fd, &report) == 0)
		answer = run_inject(r, fd, NULL, kind == REPORT_DOUBLE ? &c->postmaster : &e->sender,
		                    e->require_tls);
	else
		log_error("write a report", errno);
	if (fd != -1)
		(void)close(fd); /* in memory only */
	return answer;
}

/* May this failure be told to the postmaster? Not when it was the postmaster's own. */
static bool
may_double(const struct run *r, const struct work *w, const unsigned short *which, unsigned n)
{
	const struct address *p = &r->setup->conf->postmaster;

	if (p->local[0] == '\0' || report_is_double(&w->m.e, w->m.message_fd))
		return false;
	for (unsigned i = 0; i < n; i++) {
		const struct address *to = &w->m.e.to[which[i]].address;

		if (strcasecmp(to->local, p->local) == 0 && strcasecmp(to->domain, p->domain) == 0)
			return false;
	}
	return true;
}

static enum tell
tell_double(struct run *r, struct work *w, const unsigned short *which, unsigned n)
{
	if (!may_double(r, w, which, n)) {
		log_report(r, w, "report-dropped", REPORT_DOUBLE, n);
		return TELL_DONE;
	}
	switch (send_report(r, w, REPORT_DOUBLE, which, n)) {
	case REPORTED_LATER:
		return TELL_LATER;
	case REPORTED_YES:
		log_report(r, w, "report", REPORT_DOUBLE, n);
		break;
	case REPORTED_NEVER:
		log_report(r, w, "report-dropped", REPORT_DOUBLE, n);
		break;
	}
	return TELL_DONE;
}

enum tell
tell_sender(struct run *r, struct work *w, int kind, const unsigned short *which, unsigned n)
{
	if (n == 0)
		return TELL_DONE;
	/* RFC 5321 6.1: a report is never answered by a report. */
	if (w->m.e.sender.local[0] == '\0')
		return kind == REPORT_FAILED ? tell_double(r, w, which, n) : TELL_DONE;
	/* Who has logged in is no stranger whose name was borrowed. */
	if (w->m.e.login[0] == '\0' && report_is_over(r->setup->state, w->m.e.sender.domain,
	                                              r->setup->conf->reports, time(NULL))) {
		log_report(r, w, "report-limited", kind, n);
		return TELL_DONE;
	}
	switch (send_report(r, w, (enum report_kind)kind, which, n)) {
	case REPORTED_YES:
		log_report(r, w, "report", kind, n);
		return TELL_DONE;
	case REPORTED_NEVER:
		/* There is no way back to the sender: that is a double bounce, too. */
		return kind == REPORT_FAILED ? tell_double(r, w, which, n) : TELL_DONE;
	case REPORTED_LATER:
		break;
	}
	return TELL_LATER;
}

void
tell_postmaster(struct run *r, const char *file, const char *why)
{
	const struct conf *c = r->setup->conf;
	int fd;

	if (c->postmaster.local[0] == '\0')
		return; /* the log has it */
	fd = memfd_create("notice", MFD_CLOEXEC);
	if (fd == -1 || report_notice(fd, c, r->queue.domain, file, why, time(NULL)) == -1 ||
	    run_inject(r, fd, NULL, &c->postmaster, false) != REPORTED_YES)
		log_notice("the postmaster could not be told of a file set aside");
	if (fd != -1)
		(void)close(fd); /* in memory only */
}
