/*
 * What an administrator, or a few crashes, bring about: another configuration, a stop, a
 * fresh start.
 */
#include "front/state.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "front/listen.h"

/* For each connection itself, its boundary or its keeper, and one for the way there. */
void
change_file_limit(const struct front *f)
{
	rlim_t wanted = 3 * f->conf->connections + 64;
	rlim_t hard;
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == -1 || r.rlim_cur >= wanted)
		return;
	hard = r.rlim_max;
	r.rlim_cur = wanted;
	if (hard < wanted)
		r.rlim_max = wanted; /* with CAP_SYS_RESOURCE */
	if (setrlimit(RLIMIT_NOFILE, &r) == 0)
		return;
	log_error("LimitNOFILE is below three times limits/connections", errno);
	r.rlim_cur = r.rlim_max = hard;
	(void)setrlimit(RLIMIT_NOFILE, &r); /* as much as there is */
}

/*
 * A session and its keeper go by one configuration: who has none yet gets it now. Then
 * all that follows is new, or, where no session can live under it, stays old.
 */
static void
take_configuration(struct front *f, const struct conf *fresh)
{
	static struct conf old;

	for (int i = 0; i < LIMIT_CONNECTIONS; i++)
		if (f->conns[i].used && !f->conns[i].kept && i != f->held)
			connection_attach(f, i);
	old = *f->conf;
	*f->conf = *fresh;
	if (spares_start(f) == -1) {
		*f->conf = old;
		log_error("no session can start: the old configuration stays", errno);
		return;
	}
	f->setup->configured();
	change_file_limit(f);
	pool_retire(&f->pool);
	log_notice("configuration read again");
}

void
change_reload(struct front *f)
{
	static struct conf fresh;

	if (f->stopping)
		return;
	notify("RELOADING=1");
	if (conf_load(&fresh, f->conf->file, log_message, NULL) == 0)
		take_configuration(f, &fresh);
	else
		log_error("the new configuration has errors: the old one stays", 0);
	notify("READY=1");
}

void
change_stop(struct front *f)
{
	if (f->stopping)
		return;
	f->stopping = true;
	front_watch(f, EPOLL_CTL_DEL, brood_control(f->nursery.sessions), 0, NURSERY, 0);
	nursery_stop(&f->nursery);
	f->deadline = clock_ms() + (int64_t)f->conf->stop * 1000;
	front_accept(f, false);
	/* Refused at once, or the service manager's, who has them too: nobody waits for us. */
	for (unsigned i = 0; i < f->setup->listeners->n; i++)
		(void)close(f->setup->listeners->at[i].fd);
	if (f->held != -1)
		connection_end(f, f->held);
	f->held = -1;
	notify("STOPPING=1");
}

void
change_afresh(struct front *f)
{
	log_notice("several processes died: starting afresh");
	listen_hand_over(f->setup->listeners);
	/* Signals stay blocked: one that comes now waits for the program's next life. */
	(void)execv("/proc/self/exe", f->setup->argv);
	die_temp("execute /proc/self/exe", errno);
}
