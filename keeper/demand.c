/* See demand.h and demand_own.h: whose mail, and where it lies. */
#include "keeper/demand_own.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/domains.h"
#include "base/log.h"
#include "base/name.h"
#include "base/text.h"
#include "keeper/queue.h"

static void
log_conf_error(void *context, const char *message)
{
	(void)context;
	log_error(message, 0);
}

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

bool
demand_may_ask(const struct demand *d, const char *domain, const char *queue)
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

int
demand_find_all(const struct demand *d, enum ask_kind kind, const char *name, demand_tell *tell,
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
		    !demand_may_ask(d, all.name, kind == ASK_QUEUE ? name : NULL))
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

int
demand_find(const struct demand *d, enum ask_kind kind, const char *name, demand_tell *tell,
     void *context)
{
	char domain[LIMIT_NAME + 1], queue[LIMIT_ETRN_QUEUE + 1];

	if (kind == ASK_QUEUE)
		return lower_queue(queue, name) ? demand_find_all(d, kind, queue, tell, context) : 0;
	if (!name_domain(domain, name))
		return 0;
	if (kind == ASK_BELOW)
		return demand_find_all(d, kind, domain, tell, context);
	if (!demand_may_ask(d, domain, NULL))
		return 0;
	(void)tell(context, domain);
	return 1;
}

bool
demand_is_envelope(const char *name)
{
	size_t len = strlen(name);

	return name[0] != '.' && len > 2 && strcmp(name + len - 2, ".e") == 0;
}

int
demand_open_queue(const struct demand *d, const char *domain)
{
	char path[QUEUE_PATH];
	struct text t;

	text_init(&t, path, sizeof path);
	text_add(&t, "spool/");
	text_add(&t, domain);
	return openat(d->state, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}
