/* See listen.h. Spoken by hand: the protocol is three variables and a number. */
#include "front/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/num.h"

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */
#define BACKLOG 1024

/* Inherited by every connection accepted: replies wait for nothing. */
static void
set_options(int fd)
{
	static const int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	(void)fcntl(fd, F_SETFL, O_NONBLOCK); /* accept() must not wait for one that left */
}

/* 0: the name says nothing about it. */
static bool
name_service(const char **names, enum service *service)
{
	char name[64];
	size_t len = strcspn(*names, ":");
	struct text t;

	text_init(&t, name, sizeof name);
	text_addn(&t, *names, len);
	*names += len + ((*names)[len] == ':');
	/* systemd's names when nothing was said. */
	if (len == 0 || strcmp(name, "unknown") == 0 ||
	    (len > 7 && strcmp(name + len - 7, ".socket") == 0)) {
		*service = 0;
		return true;
	}
	return text_ok(&t) && parse_service(name, service);
}

static bool
is_listening(int fd)
{
	int type, on;
	socklen_t len = sizeof type;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == -1 || type != SOCK_STREAM)
		return false;
	len = sizeof on;
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on != 0;
}

int
listen_take(struct listeners *l, const char **why)
{
	const char *pid = getenv("LISTEN_PID");
	const char *fds = getenv("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");
	uint64_t n;

	errno = 0;
	l->n = 0;
	if (pid == NULL || fds == NULL || !parse_u64(pid, INT32_MAX, &n) ||
	    (pid_t)n != getpid())
		return 0;
	if (!parse_u64(fds, FRONT_LISTENERS, &n)) {
		*why = "LISTEN_FDS: expected 1 to 32";
		return -1;
	}
	if (names == NULL)
		names = "";
	for (; l->n < n; l->n++) {
		struct listener *at = &l->at[l->n];

		at->fd = FIRST_FD + (int)l->n;
		if (!is_listening(at->fd)) {
			*why = "LISTEN_FDS: not a listening stream socket";
			return -1;
		}
		if (!name_service(&names, &at->service)) {
			*why = "FileDescriptorName: expected smtp, submission, submissions, lmtp or odmr";
			return -1;
		}
		set_options(at->fd);
	}
	return (int)n;
}

/* host is NUL-ended; port follows the last colon. */
static bool
parse_where(const char *where, struct sockaddr_in6 *sin6)
{
	char host[64];
	const char *colon = strrchr(where, ':');
	struct text t;
	struct ip ip;
	uint64_t port;
	size_t len;

	if (colon == NULL || !parse_u64(colon + 1, 65535, &port) || port == 0)
		return false;
	len = (size_t)(colon - where);
	if (len > 2 && where[0] == '[' && where[len - 1] == ']') {
		where++;
		len -= 2;
	}
	text_init(&t, host, sizeof host);
	text_addn(&t, where, len);
	memset(sin6, 0, sizeof *sin6);
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons((uint16_t)port);
	if (strcmp(host, "*") == 0)
		return true;
	if (!text_ok(&t) || !parse_ip(host, &ip))
		return false;
	memcpy(&sin6->sin6_addr, ip.octets, sizeof ip.octets);
	return true;
}

static int
close_failed(int fd)
{
	int err = errno;

	(void)close(fd); /* not in use */
	errno = err;
	return -1;
}

/* Where the kernel has no IPv6 (ipv6.disable=1): what can be said without it. */
static int
bind_ipv4(const struct sockaddr_in6 *sin6)
{
	static const int on = 1;
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = sin6->sin6_port };
	int fd;

	if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
		memcpy(&sin.sin_addr, sin6->sin6_addr.s6_addr + 12, sizeof sin.sin_addr);
	} else if (!IN6_IS_ADDR_UNSPECIFIED(&sin6->sin6_addr)) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == -1 ||
	    bind(fd, (const struct sockaddr *)&sin, sizeof sin) == -1)
		return close_failed(fd);
	return fd;
}

static int
bind_inet(const struct sockaddr_in6 *sin6)
{
	static const int on = 1, off = 0;
	/* Dual stack: IPv4 addresses are bound and seen as ::ffff:a.b.c.d. */
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return errno == EAFNOSUPPORT ? bind_ipv4(sin6) : -1;
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == -1 ||
	    bind(fd, (const struct sockaddr *)sin6, sizeof *sin6) == -1)
		return close_failed(fd);
	return fd;
}

/* A socket that an earlier run has left is in the way; one that answers is not ours. */
static void
remove_stale(const struct sockaddr_un *sun)
{
	struct stat st;
	int fd;

	if (lstat(sun->sun_path, &st) == -1 || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd != -1 && connect(fd, (const struct sockaddr *)sun, sizeof *sun) == -1 &&
	    errno == ECONNREFUSED)
		(void)unlink(sun->sun_path); /* bind tells when that did not help */
	if (fd != -1)
		(void)close(fd);
}

static int
bind_unix(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	if (!text_copy(sun.sun_path, sizeof sun.sun_path, path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	remove_stale(&sun);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd != -1 && bind(fd, (struct sockaddr *)&sun, sizeof sun) == -1)
		return close_failed(fd);
	return fd;
}

int
listen_open(struct listeners *l, const char *where, enum service service, const char **why)
{
	struct sockaddr_in6 sin6;
	int fd;

	errno = 0;
	if (l->n == FRONT_LISTENERS) {
		*why = "too many -L, expected 32 at most";
		return -1;
	}
	if (where[0] != '/' && !parse_where(where, &sin6)) {
		*why = "-L: expected ADDRESS:PORT, [ADDRESS]:PORT, *:PORT or /PATH";
		return -1;
	}
	fd = where[0] == '/' ? bind_unix(where) : bind_inet(&sin6);
	if (fd == -1 || listen(fd, BACKLOG) == -1) {
		*why = where;
		return -1;
	}
	set_options(fd);
	l->at[l->n++] = (struct listener){ fd, service };
	return 0;
}

void
listen_hand_over(const struct listeners *l)
{
	char names[FRONT_LISTENERS * 12], number[24];
	struct text t;
	int high[FRONT_LISTENERS];

	text_init(&t, names, sizeof names);
	/* Up and out of the way first: a target may be another one's source. */
	for (unsigned i = 0; i < l->n; i++) {
		high[i] = fcntl(l->at[i].fd, F_DUPFD_CLOEXEC, FIRST_FD + FRONT_LISTENERS);
		text_add(&t, i > 0 ? ":" : "");
		text_add(&t, service_name(l->at[i].service));
	}
	for (unsigned i = 0; i < l->n; i++)
		(void)dup2(high[i], FIRST_FD + (int)i); /* without FD_CLOEXEC */
	text_init(&t, number, sizeof number);
	text_addu(&t, (uint64_t)getpid());
	(void)setenv("LISTEN_PID", number, 1);
	text_init(&t, number, sizeof number);
	text_addu(&t, l->n);
	(void)setenv("LISTEN_FDS", number, 1);
	(void)setenv("LISTEN_FDNAMES", names, 1);
}
