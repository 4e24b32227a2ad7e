/* See demand.h. Called by request.c for VERB_FLUSH. */
#include "keeper/demand.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/domains.h"
#include "base/log.h"
#include "base/name.h"
#include "base/num.h"
#include "base/text.h"
#include "keeper/queue.h"

/* Told of each domain that is asked for and may be; false: enough. */
typedef bool tell_domain(void *context, const char *domain);

static void
log_conf_error(void *context, const char *message)
{
	(void)context;
	log_error(message, 0);
}

/* -- whose -------------------------------------------------------------------------- */

static bool
has_login(const struct domain_asks *a, const char *login)
{
	for (unsigned i = 0; i < a->n_logins; i++)
		if (strcmp(a->login[i], login) == 0)
			return true;
	return false;
}

static bool
has_queue(const struct domain_asks *a, const char *queue)
{
	for (unsigned i = 0; i < a->n_queues; i++)
		if (strcmp(a->queue[i], queue) == 0)
			return true;
	return false;
}

/* queue: the domain has to be in it; NULL: in any or none. */
static bool
may_ask(const struct demand *d, const char *domain, const char *queue)
{
	static struct domain_asks asks;
	struct domain conf;

	return conf_load_domain_asks(&conf, &asks, d->domains, domain, log_conf_error,
	                             NULL) == 0 &&
	       has_login(&asks, d->login) && (queue == NULL || has_queue(&asks, queue));
}

static bool
is_below(const char *domain, const char *top)
{
	size_t len = strlen(domain), end = strlen(top);

	return len > end && domain[len - end - 1] == '.' &&
	       strcmp(domain + len - end, top) == 0;
}

/* Each domain of ours that kind and name stand for. 1: some may be asked for, 0: none, -1. */
static int
find_all(const struct demand *d, enum ask_kind kind, const char *name, tell_domain *tell,
         void *context)
{
	const char *key = kind == ASK_QUEUE ? "queue" : "etrn";
	struct domains all;
	bool any = false, more = true;

	if (!domains_open(&all, d->domains)) {
		log_error("read domains/", errno);
		return -1;
	}
	while (more && domains_next(&all)) {
		if (kind == ASK_BELOW && strcmp(all.name, name) != 0 && !is_below(all.name, name))
			continue;
		if (!domains_mention(d->domains, all.name, key) ||
		    !may_ask(d, all.name, kind == ASK_QUEUE ? name : NULL))
			continue;
		any = true;
		more = tell(context, all.name);
	}
	domains_close(&all);
	return any;
}

/* Queue names are ASCII. */
static bool
lower_queue(char out[LIMIT_ETRN_QUEUE + 1], const char *name)
{
	if (!text_copy(out, LIMIT_ETRN_QUEUE + 1, name))
		return false;
	for (char *p = out; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	return is_queue_name(out);
}

static int
find(const struct demand *d, enum ask_kind kind, const char *name, tell_domain *tell,
     void *context)
{
	char domain[LIMIT_NAME + 1], queue[LIMIT_ETRN_QUEUE + 1];

	if (kind == ASK_QUEUE)
		return lower_queue(queue, name) ? find_all(d, kind, queue, tell, context) : 0;
	if (!name_domain(domain, name))
		return 0;
	if (kind == ASK_BELOW)
		return find_all(d, kind, domain, tell, context);
	if (!may_ask(d, domain, NULL))
		return 0;
	(void)tell(context, domain);
	return 1;
}

/* -- how much ------------------------------------------------------------------------- */

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

static bool
is_envelope(const char *name)
{
	size_t len = strlen(name);

	return name[0] != '.' && len > 2 && strcmp(name + len - 2, ".e") == 0;
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
		*count += is_envelope(e->d_name);
		--*left;
	}
	err = errno;
	(void)closedir(dir); /* only read */
	errno = err;
	return *left == 0 ? WAIT_TOO_MANY : err != 0 ? WAIT_ERROR : WAIT_COUNTED;
}

static int
open_queue(const struct demand *d, const char *domain)
{
	char path[QUEUE_PATH];
	struct text t;

	text_init(&t, path, sizeof path);
	text_add(&t, "spool/");
	text_add(&t, domain);
	return openat(d->state, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* -- ETRN -------------------------------------------------------------------------------- */

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
	int dir = open_queue(f->demand, domain);
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
	switch (find(d, kind, name, flush_domain, &f)) {
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
