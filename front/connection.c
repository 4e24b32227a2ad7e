/*
 * One connection at the front: accepted or refused, given to a session, then to a
 * keeper, and seen off.
 */
#include "front/state.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define BOUNDARY_SECONDS 300 /* a session waits so long for an answer */

static void
free_conn(struct front *f, int i)
{
	struct conn *c = &f->conns[i];

	sources_leave(&f->sources, c->place);
	if (c->fd != -1)
		(void)close(c->fd); /* shut down by its session already */
	c->used = false;
	c->next = f->free;
	f->free = i;
	if (--f->n_conns == 0)
		f->idle_since = clock_ms();
}

static void
log_end(const struct conn *c)
{
	char client[64];
	struct log_line l;
	struct text t;

	text_init(&t, client, sizeof client);
	ip_text(&t, &c->job.client);
	log_start(&l, "end");
	log_field(&l, "session", c->job.session_id);
	log_field(&l, "client", client);
	log_number(&l, "seconds", (uint64_t)(clock_ms() - c->start) / 1000);
	log_send(&l, LOG_LEVEL_INFO);
}

/*
 * A session without a keeper has closed its boundary. It has shut its connection
 * down itself, so a 421 that still goes out means that it died.
 */
void
connection_end(struct front *f, int i)
{
	static const char reply[] = "421 4.3.0 our mistake, please try again later\r\n";
	struct conn *c = &f->conns[i];

	if (!is_implicit_tls(c->job.service))
		(void)send(c->fd, reply, sizeof reply - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	/* One that closed its boundary only to go on unseen ends here, too. */
	(void)shutdown(c->fd, SHUT_RDWR);
	if (c->boundary != -1) {
		/* A keeper just forked may still hold it: closing alone is not enough. */
		(void)epoll_ctl(f->epoll, EPOLL_CTL_DEL, c->boundary, NULL);
		(void)close(c->boundary); /* nothing was read of it */
	}
	log_end(c);
	free_conn(f, i);
}

/* An idle keeper may have died without our having seen it: then the next one. */
static int
hand_to_keeper(struct front *f, int i)
{
	for (;;) {
		bool is_new;
		int k = pool_take(&f->pool, f->setup, i, &is_new);

		if (k == -1)
			return -1;
		if (is_new)
			front_watch(f, EPOLL_CTL_ADD, f->pool.at[k].control, EPOLLIN, KEEPER, k);
		if (job_send(f->pool.at[k].control, &f->conns[i].job) == 0)
			return 0;
		pool_remove(&f->pool, k);
		if (is_new)
			return -1;
	}
}

/*
 * The first question: from here on a keeper answers. Our copy of the connection stays,
 * to cut it when the time is up.
 */
void
connection_attach(struct front *f, int i)
{
	struct conn *c = &f->conns[i];

	front_watch(f, EPOLL_CTL_DEL, c->boundary, 0, WAITING, i);
	if (hand_to_keeper(f, i) == -1) {
		log_error("hand a session to a keeper", errno);
		connection_end(f, i);
		return;
	}
	c->kept = true;
	(void)close(c->boundary); /* the keeper's now */
	c->boundary = -1;
}

void
connection_on_boundary(struct front *f, int i)
{
	/* Length only, no octet. */
	ssize_t len = recv(f->conns[i].boundary, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);

	if (len > 0)
		connection_attach(f, i);
	else if (len == 0 || errno != EAGAIN)
		connection_end(f, i);
}

void
connection_on_keeper(struct front *f, int k)
{
	struct packet p;
	int conn = f->pool.at[k].conn;
	int r = packet_recv(f->pool.at[k].control, &p);

	if (r == -1 && errno == EAGAIN)
		return; /* an event of one that had this place before */
	packet_close_fds(&p); /* none is ever meant for us */
	if (r == 1 && p.letter == FRONT_DONE && conn != -1)
		pool_put_back(&f->pool, k);
	else
		pool_remove(&f->pool, k);
	if (conn != -1)
		free_conn(f, conn);
}

static void
log_refusal(struct front *f, const struct ip *ip, const char *why)
{
	char client[64];
	struct log_line l;
	struct text t;
	int64_t now = clock_ms();

	f->refusals++;
	if (now - f->last_refusal < 1000)
		return; /* one line a second tells enough of a flood */
	f->last_refusal = now;
	text_init(&t, client, sizeof client);
	ip_text(&t, ip);
	log_start(&l, "connection-refused");
	log_field(&l, "client", client);
	log_field(&l, "reply", why);
	log_number(&l, "count", f->refusals);
	log_send(&l, LOG_LEVEL_WARNING);
	f->refusals = 0;
}

/* A client that expects TLS first could read nothing of it: closed without a word. */
static void
refuse(struct front *f, int fd, const struct ip *ip, enum service service, const char *why)
{
	static const char reply[] = "421 4.7.0 too many connections, try again later\r\n";

	if (!is_implicit_tls(service))
		(void)send(fd, reply, sizeof reply - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)close(fd);
	log_refusal(f, ip, why);
}

/*
 * Gives the connection to whichever session waits. 0, or -1 with errno: EAGAIN when
 * there will be one later.
 */
static int
dispatch(struct front *f, int i)
{
	struct conn *c = &f->conns[i];
	struct job j = c->job;
	struct timeval wait = { BOUNDARY_SECONDS, 0 };
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		return -1;
	/* The session itself may set no option any more. */
	(void)setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	j.boundary = pair[1];
	if (nursery_give(&f->nursery, &j) == -1) {
		int err = errno;

		(void)close(pair[0]);
		(void)close(pair[1]);
		errno = err;
		return -1;
	}
	(void)close(pair[1]); /* the session's now */
	c->boundary = c->job.boundary = pair[0];
	front_watch(f, EPOLL_CTL_ADD, c->boundary, EPOLLIN, WAITING, i);
	return 0;
}

/* What a failed dispatch means for connection i; it is held until there is a session. */
static void
hold_or_refuse(struct front *f, int i)
{
	struct conn *c = &f->conns[i];

	if (errno == EAGAIN) {
		f->held = i;
		front_accept(f, false);
		return;
	}
	refuse(f, c->fd, &c->job.client, c->job.service, strerror(errno));
	c->fd = -1;
	free_conn(f, i);
}

static void
welcome(struct front *f, int fd, const struct sockaddr_storage *sa, enum service service)
{
	struct conn *c;
	struct ip ip;
	bool is_proxy;
	int place, i = f->free;

	ip_from_sockaddr(&ip, sa);
	if (f->n_conns >= f->conf->connections || i == -1) {
		refuse(f, fd, &ip, service, "too-many");
		return;
	}
	is_proxy = is_ip_in(&ip, &f->conf->proxies); /* all its clients are one source */
	place = sources_enter(&f->sources, &ip, is_proxy ? UINT64_MAX : f->conf->per_source,
	                      is_proxy ? 0 : f->conf->rate, clock_ms());
	if (place == -1) {
		refuse(f, fd, &ip, service, "too-many-of-source");
		return;
	}
	c = &f->conns[i];
	f->free = c->next;
	f->n_conns++;
	c->used = true;
	c->kept = false;
	c->boundary = -1;
	c->fd = fd;
	c->place = place;
	c->start = clock_ms();
	c->job = (struct job){ .service = service, .client = ip, .conn = fd };
	job_make_id(c->job.session_id, ++f->count);
	if (dispatch(f, i) == -1)
		hold_or_refuse(f, i);
}

/* One line a second, as for refusals. */
static void
log_accept(struct front *f, int err)
{
	int64_t now = clock_ms();

	if (f->last_shortage != 0 && now - f->last_shortage < 1000)
		return;
	f->last_shortage = now;
	log_error("accept", err);
}

void
connection_on_listener(struct front *f, int index)
{
	const struct listener *l = &f->setup->listeners->at[index];
	struct sockaddr_storage sa;

	for (unsigned i = 0; i < FRONT_BATCH && f->accepting; i++) {
		socklen_t len = sizeof sa;
		int fd;

		memset(&sa, 0, sizeof sa.ss_family);
		fd = accept4(l->fd, (struct sockaddr *)&sa, &len, SOCK_CLOEXEC);
		if (fd == -1) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
			    errno == ENOBUFS) {
				log_accept(f, errno);
				(void)poll(NULL, 0, 100); /* not to spin on it */
			}
			return;
		}
		welcome(f, fd, &sa, l->service);
	}
}

void
connection_retry(struct front *f)
{
	int i = f->held;

	if (i == -1 || f->stopping)
		return;
	f->held = -1;
	if (dispatch(f, i) == -1)
		hold_or_refuse(f, i);
	if (f->held != -1)
		return;
	front_accept(f, !f->stopping && !f->restarting);
}

/* Its session will end. RFC 5321 3.8: it hears why, unless a reply is under way. */
void
connection_cut(const struct conn *c)
{
	static const char reply[] = "421 4.3.2 closing, please try again later\r\n";

	if (!c->kept && !is_implicit_tls(c->job.service))
		(void)send(c->fd, reply, sizeof reply - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)shutdown(c->fd, SHUT_RDWR);
}
