/*
 * See router.h. One libevent loop: the feed, the runners' connections, DNS and the fetcher of
 * policies. What comes from the network is read by libunbound and answer.c.
 */
#include "relay/router.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fds.h"
#include "base/helper.h"
#include "base/log.h"
#include "base/num.h"
#include "base/packet.h"
#include "base/routing.h"
#include "base/sandbox.h"
#include "relay/away.h"
#include "relay/fetcher.h"
#include "relay/router_confine.h"
#include "relay/search.h"
#include "relay/site.h"

/* A runner takes its answer at once; one that does not is stuck. */
#define SEND_SECONDS 5

struct router {
	struct site site;
	struct event *feed;
	unsigned askers;
};

/* A runner's connection. */
struct asker {
	struct router *router;
	struct event *ready;    /* NULL: closed, and a search is still on its way */
	int fd;
	bool searching;
};

static void
leave_if_done(struct router *r)
{
	if (r->feed == NULL && r->askers == 0)
		(void)event_base_loopbreak(r->site.base); /* nobody can ask any more */
}

static void
close_asker(struct asker *k)
{
	struct router *r = k->router;

	if (k->ready != NULL) {
		event_free(k->ready);
		k->ready = NULL;
		(void)close(k->fd); /* the runner sees it */
	}
	if (k->searching)
		return;
	free(k);
	r->askers--;
	leave_if_done(r);
}

static void
on_found(struct search *s)
{
	struct asker *k = s->data;
	bool good = k->ready != NULL && search_answer(s, k->fd) == 0;

	k->searching = false;
	search_free(s);
	if (!good)
		close_asker(k);
}

static bool
start_search(struct asker *k, const struct packet *p)
{
	const struct site *site = &k->router->site;
	uint64_t port;

	if (k->searching || p->n != 2 || p->fd[0] != -1)
		return false;
	k->searching = true;
	if (p->letter == ROUTE_MX && search_mx(site, p->field[0], p->field[1], on_found, k))
		return true;
	if (p->letter == ROUTE_HOST && parse_u64(p->field[1], 65535, &port) && port > 0 &&
	    search_host(site, p->field[0], (unsigned)port, on_found, k))
		return true;
	k->searching = false;
	return false;
}

static void
on_question(evutil_socket_t fd, short what, void *data)
{
	static struct packet p;
	struct asker *k = data;
	int r = packet_recv(fd, &p);

	(void)what;
	if (r == 1 && start_search(k, &p))
		return;
	if (r == 1) {
		log_error("a question to the router that is none: closed", 0);
		packet_close_fds(&p);
	}
	close_asker(k);
}

static void
add_asker(struct router *r, int fd)
{
	static const struct timeval wait = { SEND_SECONDS, 0 };
	struct asker *k = calloc(1, sizeof *k);

	if (k != NULL)
		k->ready = event_new(r->site.base, fd, EV_READ | EV_PERSIST, on_question, k);
	if (k == NULL || k->ready == NULL || event_add(k->ready, NULL) == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == -1) {
		log_error("take a question", errno);
		if (k != NULL && k->ready != NULL)
			event_free(k->ready);
		free(k);
		(void)close(fd); /* the runner sees it */
		return;
	}
	k->router = r;
	k->fd = fd;
	r->askers++;
}

static void
on_feed(evutil_socket_t fd, short what, void *data)
{
	static struct packet p;
	struct router *r = data;
	int n = packet_recv(fd, &p);

	(void)what;
	if (n == 1 && p.letter == HELPER_FEED && p.fd[0] != -1 && p.fd[1] == -1) {
		add_asker(r, p.fd[0]);
		return;
	}
	packet_close_fds(&p);
	if (n == 1 || (n == -1 && errno != ECONNRESET))
		return; /* no packet of ours: dropped */
	event_free(r->feed);
	r->feed = NULL;
	leave_if_done(r);
}

/* Epoll is the one that the filter knows. */
static struct event_base *
make_base(void)
{
	static const char *const others[] = { "select", "poll", "devpoll", "kqueue" };
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	for (size_t i = 0; config != NULL && i < sizeof others / sizeof others[0]; i++)
		(void)event_config_avoid_method(config, others[i]); /* unknown ones do no harm */
	if (config != NULL) {
		(void)event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
		base = event_base_new_with_config(config);
		event_config_free(config);
	}
	return base;
}

static noreturn void
be_router(const struct router_setup *setup, int feed, int sts)
{
	static struct router r;
	int fds[2] = { feed, sts };

	log_close();
	if (fds_settle(fds, 2, 3) == -1)
		die_temp("start the router", errno);
	log_reopen();
	r.site.hostname = setup->conf->hostname;
	r.site.sts = (struct helper_door){ NULL, fds[1] };
	site_look(&r.site);
	r.site.base = make_base();
	if (r.site.base == NULL)
		die_temp("start the router's loop", errno);
	r.site.dns = dns_open(setup->conf, r.site.base, r.site.have_ipv6);
	r.feed = event_new(r.site.base, fds[0], EV_READ | EV_PERSIST, on_feed, &r);
	if (r.site.dns == NULL || r.feed == NULL || event_add(r.feed, NULL) == -1)
		die_temp("the router cannot start", 0);
	if (setup->uid != 0 && sandbox_become(setup->uid, setup->gid) == -1)
		die_temp("become the router's user", errno);
	if (!router_confine(setup->conf))
		die_temp("confine the router", errno);
	_exit(event_base_dispatch(r.site.base) == -1 ? 111 : 0);
}

int
router_start(const struct router_setup *setup)
{
	int pair[2];
	int sts = -1;
	pid_t pid;

	if (setup->sts)
		sts = fetcher_start(setup);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1) {
		log_error("socketpair", errno);
		return -1;
	}
	pid = away_fork("router");
	if (pid == 0) {
		(void)close(pair[0]); /* it would keep the feed open for ever */
		be_router(setup, pair[1], sts);
	}
	if (pid == -1)
		log_error("fork the router", errno);
	(void)close(pair[1]); /* the router's, as the next */
	if (sts != -1)
		(void)close(sts);
	if (pid != -1)
		return pair[0];
	(void)close(pair[0]);
	return -1;
}
