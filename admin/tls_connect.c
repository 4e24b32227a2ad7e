/*
 * The one place where `postern` speaks over the network, and only when asked: up to the
 * point where TLS begins. What a server says is read and dropped.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "admin/say.h"
#include "admin/tls.h"

#define SECONDS 20
#define REPLY_MAX 8192

/* One reply; the code's first digit, or 0. Byte by byte: what follows belongs to TLS. */
static char
read_reply(int fd)
{
	char line[512];
	size_t n = 0, all = 0;

	while (all++ < REPLY_MAX && read(fd, &line[n], 1) == 1) {
		if (line[n] != '\n') {
			n += n < sizeof line - 1;
			continue;
		}
		if (n < 3)
			return 0;
		if (line[3] != '-')
			return line[0];
		n = 0;
	}
	return 0;
}

static bool
say_line(int fd, const char *line)
{
	return send(fd, line, strlen(line), MSG_NOSIGNAL) == (ssize_t)strlen(line) &&
	       read_reply(fd) == '2';
}

/* "host", "host:port", "[2001:db8::1]:port", "2001:db8::1": cut in two in buf. */
static bool
split(char *buf, char **host, char **port)
{
	static char smtp[] = "25";
	char *colon;

	*host = buf;
	*port = smtp;
	if (buf[0] == '[') {
		char *end = strchr(buf, ']');

		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return false;
		*host = buf + 1;
		*port = end[1] == ':' ? end + 2 : smtp;
		*end = '\0';
	} else {
		colon = strchr(buf, ':');
		if (colon != NULL && strchr(colon + 1, ':') == NULL) {
			*colon = '\0';
			*port = colon + 1;
		}
	}
	return **host != '\0' && **port != '\0';
}

static int
open_connection(const char *host, const char *port)
{
	static const struct timeval wait = { SECONDS, 0 };
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list, *at;
	int fd = -1, err;

	err = getaddrinfo(host, port, &hints, &list);
	if (err != 0) {
		(void)say_refused("%s: %s", host, gai_strerror(err));
		return -1;
	}
	for (at = list; at != NULL && fd == -1; at = at->ai_next) {
		fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd == -1)
			continue;
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
		if (connect(fd, at->ai_addr, at->ai_addrlen) == -1) {
			err = errno;
			(void)close(fd); /* not connected */
			fd = -1;
		}
	}
	freeaddrinfo(list);
	if (fd == -1)
		(void)say_failed(err, "connecting to %s port %s", host, port);
	return fd;
}

int
tls_connect(const char *typed)
{
	char buf[512], *host, *port;
	int fd;

	if (!text_copy(buf, sizeof buf, typed) || !split(buf, &host, &port)) {
		(void)say_misused("'%s': expected HOST or HOST:PORT, such as localhost:587", typed);
		return -1;
	}
	fd = open_connection(host, port);
	if (fd == -1 || strcmp(port, "465") == 0)
		return fd;
	if (read_reply(fd) == '2' && say_line(fd, "EHLO localhost\r\n") &&
	    say_line(fd, "STARTTLS\r\n"))
		return fd;
	(void)say_refused("%s: it does not take STARTTLS", typed);
	(void)close(fd); /* nothing to save */
	return -1;
}
