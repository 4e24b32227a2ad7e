/* ETRN: counts what waits, and tells flush. See demand.h; called for VERB_FLUSH. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/num.h"
#include "base/text.h"
#include "keeper/demand_own.h"

enum waiting { WAIT_COUNTED, WAIT_TOO_MANY, WAIT_ERROR };

/* A run is under way, or one that was asked for began a moment ago (relay/queue.h). */
static bool
is_under_way(int dir)
{
	int lock = openat(dir, "lock", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char buf[24] = "";
	uint64_t when = 0;
	time_t now = time(NULL);
	bool busy;

	if (lock == -1)
		return false; /* no run has been here */
	busy = flock(lock, LOCK_SH | LOCK_NB) == -1;
	if (!busy && read(lock, buf, sizeof buf - 1) > 0) {
		buf[strcspn(buf, "\n")] = '\0';
		busy = parse_u64(buf, INT64_MAX, &when) && (time_t)when <= now &&
		       now - (time_t)when < LIMIT_ETRN_PAUSE;
	}
	(void)close(lock); /* and with it our lock */
	return busy;
}

/* The envelopes in a queue, whose fd is closed. left: names that may be read yet. */
static enum waiting
count_envelopes(int fd, uint64_t *left, uint64_t *count)
{
	DIR *dir = fdopendir(fd);
	const struct dirent *e;
	int err;

	if (dir == NULL) {
		(void)close(fd); /* nothing was read */
		return WAIT_ERROR;
	}
	errno = 0;
	while (*left > 0 && (e = readdir(dir)) != NULL) {
		*count += demand_is_envelope(e->d_name);
		--*left;
	}
	err = errno;
	(void)closedir(dir); /* only read */
	errno = err;
	return *left == 0 ? WAIT_TOO_MANY : err != 0 ? WAIT_ERROR : WAIT_COUNTED;
}

struct flush {
	const struct demand *demand;
	struct demand_result *result;
	uint64_t left;       /* names that may be read yet */
	unsigned told;
	unsigned untold;     /* flush did not take the word */
	bool under_way;      /* all of them so far */
	bool uncounted, broken;
};

static bool
tell_flush(const struct demand *d, const char *domain)
{
	char word[LIMIT_NAME + 16 + LIMIT_ID];
	struct text t;

	text_init(&t, word, sizeof word);
	text_add(&t, domain);
	text_add(&t, " asked ");
	text_add(&t, d->id);
	if (helper_say(d->flush, word, -1) == 0)
		return true;
	log_error("tell flush", errno);
	return false;
}

static bool
flush_domain(void *context, const char *domain)
{
	struct flush *f = context;
	uint64_t count = 0;
	int dir = demand_open_queue(f->demand, domain);
	bool under_way;

	if (dir == -1) {
		if (errno == ENOENT)
			return true;
		log_error("open a queue", errno);
		f->broken = true;
		return true;
	}
	under_way = is_under_way(dir);
	switch (count_envelopes(dir, &f->left, &count)) {
	case WAIT_COUNTED:
		break;
	case WAIT_TOO_MANY:
		f->uncounted = true;
		break;
	case WAIT_ERROR:
		log_error("count a queue", errno);
		f->broken = true;
	}
	if (count == 0 && !f->uncounted)
		return true;
	f->result->count += count;
	f->result->domains++;
	f->under_way &= under_way;
	if (tell_flush(f->demand, domain))
		f->told++;
	else
		f->untold++;
	return f->untold == 0; /* the next word would wait as long */
}

enum answer
demand_flush(const struct demand *d, enum ask_kind kind, const char *name,
             struct demand_result *r)
{
	struct flush f = { .demand = d, .result = r, .left = LIMIT_ETRN_NAMES,
	                   .under_way = true };

	*r = (struct demand_result){ 0 };
	switch (demand_find(d, kind, name, flush_domain, &f)) {
	case 0:
		return ANSWER_DENIED;
	case -1:
		return ANSWER_ERROR;
	default:
		break;
	}
	if (f.told == 0)
		return f.untold > 0 || f.broken ? ANSWER_ERROR : ANSWER_NONE_WAIT;
	if (f.untold > 0 || f.uncounted || f.broken)
		return ANSWER_STARTED;
	return f.under_way ? ANSWER_UNDER_WAY : ANSWER_YES;
}
