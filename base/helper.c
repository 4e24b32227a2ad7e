/* See helper.h. The parent forks and counts; it reads nothing but the feed's packets. */
#include "base/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/num.h"
#include "base/packet.h"

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */
#define MAX_DOORS 8
#define SHORT_MS 100 /* descriptors or processes are short: try again */

static volatile sig_atomic_t must_stop, must_reload;

struct parent {
	const struct helper *h;
	unsigned n_doors;
	struct pollfd doors[MAX_DOORS + HELPER_WATCH]; /* listening sockets, or the feed alone */
	unsigned children;
	bool busy;                      /* at the last look */
	int64_t idle_since;
	sigset_t outside;               /* the mask while waiting, and of children */
};

static void
on_signal(int sig)
{
	if (sig == SIGTERM || sig == SIGINT)
		must_stop = 1;
	else if (sig == SIGHUP)
		must_reload = 1;
}

/* Signals come only while the loop waits, so nothing is ever missed or cut short. */
static void
catch_signals(struct parent *p)
{
	static const int wanted[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
	struct sigaction on = { .sa_handler = on_signal };
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
		(void)sigaddset(&set, wanted[i]);
	(void)sigprocmask(SIG_BLOCK, &set, &p->outside);
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
		(void)sigdelset(&p->outside, wanted[i]);
		(void)sigaction(wanted[i], &on, NULL);
	}
	(void)signal(SIGPIPE, SIG_IGN); /* a valid signal */
}

static bool
is_listener(int fd)
{
	int type, on;
	socklen_t len = sizeof type;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == -1 || type != SOCK_SEQPACKET)
		return false;
	len = sizeof on;
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on != 0;
}

/* False: there is no door, or one that is none. */
static bool
find_doors(struct parent *p)
{
	const char *pid = getenv("LISTEN_PID");
	const char *fds = getenv("LISTEN_FDS");
	uint64_t n = 1;

	if (!p->h->feed && (pid == NULL || fds == NULL || !parse_u64(pid, INT32_MAX, &n) ||
	                    (pid_t)n != getpid() || !parse_u64(fds, MAX_DOORS, &n)))
		return false;
	for (unsigned i = 0; i < n; i++) {
		int fd = FIRST_FD + (int)i;

		if (!p->h->feed && !is_listener(fd))
			return false;
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
		(void)fcntl(fd, F_SETFL, O_NONBLOCK);
		p->doors[p->n_doors++] = (struct pollfd){ fd, POLLIN, 0 };
	}
	return p->n_doors > 0;
}

static unsigned
count_busy(const struct parent *p)
{
	return p->h->pool != NULL ? p->h->pool->busy() : p->children;
}

static noreturn void
be_child(const struct parent *p, int conn)
{
	for (unsigned i = 0; i < p->n_doors; i++)
		(void)close(p->doors[i].fd); /* they are the parent's */
	(void)signal(SIGHUP, SIG_IGN); /* valid signals */
	(void)signal(SIGCHLD, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGINT, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &p->outside, NULL);
	_exit(p->h->serve(conn));
}

static void
start_child(struct parent *p, int conn)
{
	pid_t pid;

	if (p->h->prepare != NULL)
		p->h->prepare();
	pid = fork();
	if (pid == 0)
		be_child(p, conn);
	if (pid == -1)
		log_error("fork", errno); /* who asked sees its connection close */
	else
		p->children++;
	(void)close(conn); /* the child's */
}

/* A connection, or -1: none now; *gone: none ever again. */
static int
take_connection(const struct parent *p, int door, bool *gone)
{
	static struct packet in;
	int r;

	if (!p->h->feed)
		return accept4(door, NULL, NULL, SOCK_CLOEXEC);
	r = packet_recv(door, &in);
	if (r == 1 && in.letter == HELPER_FEED && in.fd[0] != -1 && in.fd[1] == -1)
		return in.fd[0];
	packet_close_fds(&in);
	*gone = r == 0 || (r == -1 && errno == ECONNRESET);
	if (r == 1)
		errno = EAGAIN; /* no packet of ours */
	return -1;
}

static void
serve_door(struct parent *p, int door, bool *gone)
{
	while (count_busy(p) < p->h->children) {
		int conn = take_connection(p, door, gone);

		if (conn == -1) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
				log_error("accept", errno);
				(void)poll(NULL, 0, SHORT_MS); /* not to spin on it */
			}
			return;
		}
		if (p->h->pool != NULL)
			p->h->pool->give(conn);
		else
			start_child(p, conn);
	}
}

static void
reap(struct parent *p)
{
	struct log_line l;
	int status;

	while (waitpid(-1, &status, WNOHANG) > 0) {
		p->children -= p->children > 0;
		if (!WIFSIGNALED(status))
			continue;
		log_start(&l, "child-died");
		log_signal(&l, WTERMSIG(status));
		log_send(&l, LOG_LEVEL_ERROR);
	}
}

/* Whoever has ended, or is free again. */
static void
look_around(struct parent *p)
{
	bool busy;

	reap(p);
	if (p->h->pool != NULL)
		p->h->pool->hear();
	busy = count_busy(p) > 0;
	if (p->busy && !busy)
		p->idle_since = clock_ms();
	p->busy = busy;
}

static void
reload(const struct parent *p)
{
	must_reload = 0;
	if (p->h->reload == NULL)
		return;
	notify("RELOADING=1");
	p->h->reload();
	notify("READY=1");
}

/* What is left of the time without work; NULL: wait for ever. */
static const struct timespec *
idle_left(const struct parent *p, struct timespec *ts)
{
	int64_t left = p->idle_since + p->h->idle_ms - clock_ms();

	if (p->h->idle_ms == 0 || p->busy)
		return NULL;
	left = left < 0 ? 0 : left;
	*ts = (struct timespec){ left / 1000, left % 1000 * 1000000 };
	return ts;
}

/* What ppoll() says. Full: only who ends can change anything. */
static int
wait_for_work(struct parent *p)
{
	const struct helper_pool *pool = p->h->pool;
	struct pollfd *more = p->doors + p->n_doors;
	unsigned n_more = pool != NULL ? pool->watch(more) : 0;
	bool full = count_busy(p) >= p->h->children;
	struct timespec ts;

	return ppoll(full ? more : p->doors, (full ? 0 : p->n_doors) + n_more, idle_left(p, &ts),
	             &p->outside);
}

int
helper_run(const struct helper *h)
{
	static struct parent p;
	bool gone = false;

	p.h = h;
	if (!find_doors(&p))
		return -1;
	catch_signals(&p);
	p.idle_since = clock_ms();
	notify("READY=1");
	while (!must_stop && !gone) {
		int n;

		for (unsigned i = 0; i < p.n_doors; i++)
			p.doors[i].revents = 0;
		n = wait_for_work(&p);
		if (n == -1 && errno != EINTR)
			die_temp("ppoll", errno);
		look_around(&p);
		if (must_reload)
			reload(&p);
		if (n == 0 && !p.busy)
			break;
		for (unsigned i = 0; n > 0 && i < p.n_doors; i++)
			if (p.doors[i].revents != 0)
				serve_door(&p, p.doors[i].fd, &gone);
		p.busy |= count_busy(&p) > 0;
	}
	notify("STOPPING=1");
	return 0;
}

static int
connect_path(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	if (!text_copy(sun.sun_path, sizeof sun.sun_path, path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd != -1 && connect(fd, (struct sockaddr *)&sun, sizeof sun) == -1) {
		int err = errno;

		(void)close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

/* A datagram, and a descriptor beside it. */
static int
send_word(int sock, const struct sockaddr_un *to, const char *word, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char text[LIMIT_PACKET];
	struct iovec iov = { text, strlen(word) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct sockaddr_un sun = *to;
	ssize_t n;

	if (!text_copy(text, sizeof text, word)) {
		errno = EMSGSIZE;
		return -1;
	}
	msg.msg_name = &sun;
	msg.msg_namelen = sizeof sun;
	if (fd != -1) {
		memset(&control, 0, sizeof control);
		msg.msg_control = &control;
		msg.msg_controllen = sizeof control;
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
	}
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	return n == -1 ? -1 : 0;
}

static int
say_path(const char *path, const char *word, int fd)
{
	static const struct timeval wait = { LIMIT_HELPER_WORD, 0 };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int sock, result, err;

	if (!text_copy(sun.sun_path, sizeof sun.sun_path, path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock == -1)
		return -1;
	(void)setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
	result = send_word(sock, &sun, word, fd);
	err = errno;
	(void)close(sock);
	errno = err;
	return result;
}

bool
helper_listens(const struct helper_door *d)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	bool listens;
	int sock;

	if (d->path == NULL || d->path[0] == '\0')
		return d->feed != -1;
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	listens = sock != -1 && text_copy(sun.sun_path, sizeof sun.sun_path, d->path) &&
	          connect(sock, (struct sockaddr *)&sun, sizeof sun) == 0;
	if (sock != -1)
		(void)close(sock); /* nothing was sent */
	return listens;
}

int
helper_say(const struct helper_door *d, const char *word, int fd)
{
	static struct packet p;
	struct pollfd ready = { d->feed, POLLOUT, 0 };

	if (d->path != NULL && d->path[0] != '\0')
		return say_path(d->path, word, fd);
	if (d->feed == -1) {
		errno = ENOENT;
		return -1;
	}
	/* Others write there, too: room now may be gone then, and the wait a little longer. */
	if (poll(&ready, 1, LIMIT_HELPER_WORD * 1000) != 1) {
		errno = EAGAIN;
		return -1;
	}
	packet_start(&p, HELPER_WORD);
	packet_add(&p, word);
	return packet_send(d->feed, &p, fd);
}

/* A feed carries it as a packet with one field. */
void
helper_tell(const struct helper_door *d, const char *word)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	static struct packet p;
	int fd;

	if (d->path != NULL && text_copy(sun.sun_path, sizeof sun.sun_path, d->path)) {
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd == -1)
			return;
		(void)sendto(fd, word, strlen(word), MSG_NOSIGNAL | MSG_DONTWAIT,
		             (struct sockaddr *)&sun, sizeof sun);
		(void)close(fd);
	} else if (d->feed != -1) {
		packet_start(&p, HELPER_WORD);
		packet_add(&p, word);
		packet_offer(d->feed, &p);
	}
}

static int
connect_feed(int feed)
{
	static struct packet p;
	int pair[2], err, sent;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		return -1;
	packet_start(&p, HELPER_FEED);
	sent = packet_send(feed, &p, pair[1]);
	err = errno;
	(void)close(pair[1]); /* the helper's */
	if (sent == 0)
		return pair[0];
	(void)close(pair[0]);
	errno = err;
	return -1;
}

int
helper_connect(const struct helper_door *d)
{
	if (d->path != NULL && d->path[0] != '\0')
		return connect_path(d->path);
	if (d->feed != -1)
		return connect_feed(d->feed);
	errno = ENOENT;
	return -1;
}
