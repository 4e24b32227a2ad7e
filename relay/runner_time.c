/* See runner_run.h: when a domain's queue is due again, as the file `retry` has it. */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "relay/runner_run.h"

void
run_read_schedule(struct run *r, int fd)
{
	struct log_line l;

	r->schedule.n = 0;
	r->schedule.changed = false;
	if (fd == -1 || schedule_read(fd, &r->schedule) == 1)
		return;
	log_start(&l, "warning");
	log_field(&l, "what", "the file retry is damaged: hosts are tried anew");
	log_field(&l, "domain", r->domain);
	log_send(&l, LOG_LEVEL_WARNING);
	r->schedule.changed = true;
}

/* When a hop that is left alone now may be tried; 0: there is none such. */
static time_t
earliest_host(const struct run *r, time_t now)
{
	time_t when = 0;

	for (unsigned i = 0; i < r->schedule.n; i++) {
		time_t until = r->schedule.host[i].until;

		if (until > now && (when == 0 || until < when))
			when = until;
	}
	return when;
}

static time_t
next_time(const struct run *r, time_t now)
{
	const struct conf *c = r->setup->conf;
	time_t due = r->due, host = earliest_host(r, now), last = now + (time_t)c->retry_max;

	/* Nothing was sent for want of a host: not before one may be tried again. */
	if (due != 0 && due <= now && (r->no_hop[0].is || r->no_hop[1].is))
		due = host != 0 ? host : now + (time_t)c->retry_min;
	if (r->age_due != 0 && (due == 0 || r->age_due < due))
		due = r->age_due;
	if (due == 0 || due > last)
		return last;
	return due > now ? due : now + 1;
}

void
run_set_schedule(struct run *r, int *fd)
{
	if (*fd == -1)
		*fd = queue_open_retry(&r->queue, true);
	if (*fd == -1 || (r->schedule.changed && schedule_write(*fd, &r->schedule) == -1) ||
	    schedule_set_due(*fd, next_time(r, time(NULL))) == -1)
		log_error("write retry", errno); /* due at once then */
	r->schedule.changed = false;
}

void
run_put_off(struct run *r)
{
	int retry = queue_open_retry(&r->queue, true);

	if (retry == -1 ||
	    schedule_set_due(retry, time(NULL) + (time_t)r->setup->conf->retry_max) == -1)
		log_error("write retry", errno);
	if (retry != -1)
		(void)close(retry); /* nothing was written */
}
