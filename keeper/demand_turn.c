/* ATRN: what is granted, and the connection's way to flush. See demand.h; for VERB_TURN. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/name.h"
#include "base/text.h"
#include "keeper/demand_own.h"

struct turning {
	const struct demand *demand;
	struct text list;
	bool any;            /* domains the login may ask for */
	bool busy, full, broken;
};

static bool
has_envelope(int fd)
{
	DIR *dir = fdopendir(fd);
	const struct dirent *e;
	bool found = false;

	if (dir == NULL) {
		(void)close(fd); /* nothing was read */
		return false;
	}
	while (!found && (e = readdir(dir)) != NULL)
		found = demand_is_envelope(e->d_name);
	(void)closedir(dir); /* only read */
	return found;
}

/* A run has the lock at this moment. */
static bool
is_locked(int dir)
{
	int lock = openat(dir, "lock", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	bool busy = lock != -1 && flock(lock, LOCK_SH | LOCK_NB) == -1;

	if (lock != -1)
		(void)close(lock); /* and with it our lock */
	return busy;
}

/* Adds a domain that the login may ask for, if there is something. */
static void
turn_domain(struct turning *t, const char *domain)
{
	int dir = demand_open_queue(t->demand, domain);

	t->any = true;
	if (dir == -1) {
		if (errno != ENOENT)
			log_error("open a queue", errno);
		t->broken |= errno != ENOENT;
		return;
	}
	t->busy |= is_locked(dir);
	if (!has_envelope(dir))
		return;
	if (t->list.len + strlen(domain) + 2 > t->list.cap) {
		t->full = true;
		return;
	}
	if (t->list.len > 0)
		text_addc(&t->list, ',');
	text_add(&t->list, domain);
}

/* False: one of them is not for this login, or is no domain. */
static bool
turn_list(struct turning *t, const char *list)
{
	char name[LIMIT_DOMAIN + 1], domain[LIMIT_NAME + 1];
	struct text one;

	for (;;) {
		size_t len = strcspn(list, ",");

		text_init(&one, name, sizeof name);
		text_addn(&one, list, len);
		if (!text_ok(&one) || !name_domain(domain, name) ||
		    !demand_may_ask(t->demand, domain, NULL))
			return false;
		turn_domain(t, domain);
		if (list[len] == '\0')
			return true;
		list += len + 1;
	}
}

static bool
turn_found(void *context, const char *domain)
{
	turn_domain(context, domain);
	return !((struct turning *)context)->full;
}

enum answer
demand_turn(const struct demand *d, const char *list, struct demand_turn *out)
{
	struct turning t = { .demand = d };

	text_init(&t.list, out->domains, sizeof out->domains);
	if (list[0] != '\0') {
		if (!turn_list(&t, list))
			return ANSWER_DENIED; /* one of them is enough: RFC 2645 5.2.1 */
	} else if (demand_find_all(d, ASK_DOMAIN, "", turn_found, &t) == -1) {
		return ANSWER_ERROR;
	}
	if (!t.any)
		return ANSWER_DENIED;
	if (t.busy || t.broken)
		return ANSWER_ERROR;
	if (t.list.len == 0)
		return ANSWER_NONE_WAIT;
	if (!helper_listens(d->flush)) {
		log_error("reach flush", errno);
		return ANSWER_ERROR;
	}
	return ANSWER_YES;
}

bool
demand_turned(const struct demand *d, const struct demand_turn *t, const char *client,
              int conn)
{
	char word[LIMIT_ATRN + LIMIT_ID + 80];
	struct text w;

	text_init(&w, word, sizeof word);
	text_add(&w, "turn ");
	text_add(&w, t->id);
	text_addc(&w, ' ');
	text_add(&w, client);
	text_addc(&w, ' ');
	text_add(&w, t->domains);
	if (text_ok(&w) && helper_say(d->flush, word, conn) == 0)
		return true;
	log_error("hand a connection to flush", errno);
	return false;
}
