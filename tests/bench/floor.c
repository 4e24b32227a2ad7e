/*
 * What the machine can do at best, without a mail server:
 *
 *   floor accept PORT                   accept, fork, greet, until killed
 *   floor commit DIR PROCS COUNT SIZE   write, fsync, link, fsync the directory
 *   floor drain DIR SIZE COUNT          read a socket, CRLF to LF, write, fsync
 *   floor exec COUNT PROGRAM            start PROGRAM and wait for its end
 *   floor port                          find a free port, for the scripts
 *
 * Each prints one line of key=value; run divides the servers' figures by these.
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/bench/greet.h"

extern char **environ;

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static unsigned
number(const char *text, unsigned max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n < 1 || n > max)
		errx(2, "%s: not a number from 1 to %u", text, max);
	return (unsigned)n;
}

/* Any free port with port 0; the caller reads it back. */
static int
listen_on(uint16_t port, struct sockaddr_in *at)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;
	socklen_t len = sizeof *at;

	*at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
	at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == -1 ||
	    bind(fd, (struct sockaddr *)at, len) == -1 || listen(fd, 1000) == -1 ||
	    getsockname(fd, (struct sockaddr *)at, &len) == -1)
		err(111, "port %u", port);
	return fd;
}

static void
run_accept(const char *port)
{
	struct sockaddr_in at;
	int fd = listen_on((uint16_t)number(port, 65535), &at);

	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int client = accept(fd, NULL, NULL);
		pid_t pid = client == -1 ? -1 : fork();

		if (pid == 0)
			_exit(greet(client, client) ? 0 : 111);
		if (pid == -1)
			warn("accept or fork");
		if (client != -1)
			close(client);
	}
}

static void
commit_one(int dir, int new, const char *data, size_t size, unsigned n)
{
	char name[64], fd_path[64];
	int fd = openat(dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	snprintf(name, sizeof name, "floor.%ld.%u", (long)getpid(), n);
	snprintf(fd_path, sizeof fd_path, "/proc/self/fd/%d", fd);
	if (fd == -1 || write(fd, data, size) != (ssize_t)size || fsync(fd) == -1 ||
	    linkat(AT_FDCWD, fd_path, new, name, AT_SYMLINK_FOLLOW) == -1 ||
	    fsync(new) == -1 || close(fd) == -1)
		err(111, "%s", name);
}

/* All processes share one new/, as deliveries to one mailbox do. */
static void
run_commit(char **arg)
{
	unsigned procs = number(arg[1], 1000), count = number(arg[2], 10000000);
	size_t size = number(arg[3], 1 << 30);
	char *data = malloc(size);
	int dir = open(arg[0], O_RDONLY | O_DIRECTORY);
	int new = dir == -1 ? -1 : openat(dir, "new", O_RDONLY | O_DIRECTORY);
	double start = seconds();
	int status, failed = 0;

	if (data == NULL || new == -1)
		err(111, "%s/new", arg[0]);
	memset(data, 'x', size);
	for (unsigned i = 0; i < procs; i++) {
		unsigned mine = count / procs + (i < count % procs);
		pid_t pid = fork();

		if (pid == -1)
			err(111, "fork");
		for (unsigned n = 0; pid == 0 && n < mine; n++)
			commit_one(dir, new, data, size, n);
		if (pid == 0)
			_exit(0);
	}
	while (wait(&status) != -1)
		failed |= status != 0;
	printf("count=%u rate=%.1f\n", count, count / (seconds() - start));
	exit(failed);
}

/* The sender of a drain: lines of 78 octets, then one octet back when all is synced. */
static void
drain_send(const struct sockaddr_in *to, size_t size)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char *data = malloc(size), done;
	double start;

	if (data == NULL || fd == -1 ||
	    connect(fd, (const struct sockaddr *)to, sizeof *to) == -1)
		err(111, "connect");
	for (size_t i = 0; i < size; i++)
		data[i] = i % 78 == 76 ? '\r' : i % 78 == 77 ? '\n' : 'x';
	start = seconds();
	for (size_t at = 0; at < size;) {
		ssize_t n = write(fd, data + at, size - at);

		if (n == -1)
			err(111, "write");
		at += (size_t)n;
	}
	if (shutdown(fd, SHUT_WR) == -1 || read(fd, &done, 1) != 1)
		err(111, "answer");
	printf("size=%zu mbps=%.1f\n", size, (double)size / 1e6 / (seconds() - start));
	exit(0);
}

/* Moves the octets between CRs together; every CR here stands before an LF. */
static size_t
drop_cr(char *buf, size_t len)
{
	size_t out = 0;

	for (size_t at = 0; at < len;) {
		char *cr = memchr(buf + at, '\r', len - at);
		size_t n = cr == NULL ? len - at : (size_t)(cr - buf) - at;

		memmove(buf + out, buf + at, n);
		out += n;
		at += n + 1;
	}
	return out;
}

static void
drain_receive(int listener, const char *dir)
{
	static char buf[128 * 1024];
	int in = accept(listener, NULL, NULL);
	int out = open(dir, O_TMPFILE | O_WRONLY, 0600);
	ssize_t n;

	if (in == -1 || out == -1)
		err(111, "%s", dir);
	while ((n = read(in, buf, sizeof buf)) > 0) {
		size_t len = drop_cr(buf, (size_t)n);

		if (write(out, buf, len) != (ssize_t)len)
			err(111, "write");
	}
	if (n == -1 || fsync(out) == -1 || write(in, "k", 1) != 1)
		err(111, "end of data");
	close(in);
	close(out);
}

static void
run_drain(char **arg)
{
	struct sockaddr_in at;
	int listener = listen_on(0, &at), status = 0;
	size_t size = number(arg[1], 1 << 30);
	unsigned count = number(arg[2], 10000);

	for (unsigned i = 0; i < count && status == 0; i++) {
		pid_t pid = fork();

		if (pid == 0)
			drain_send(&at, size);
		if (pid == -1)
			err(111, "fork");
		drain_receive(listener, arg[0]);
		if (waitpid(pid, &status, 0) == -1)
			err(111, "wait");
	}
	exit(status != 0);
}

/* CPU seconds of this process and of the children it has waited for. */
static double
cpu_seconds(void)
{
	struct rusage r[2];
	double sum = 0;

	getrusage(RUSAGE_SELF, &r[0]);
	getrusage(RUSAGE_CHILDREN, &r[1]);
	for (int i = 0; i < 2; i++)
		sum += (double)(r[i].ru_utime.tv_sec + r[i].ru_stime.tv_sec) +
		       (double)(r[i].ru_utime.tv_usec + r[i].ru_stime.tv_usec) / 1e6;
	return sum;
}

static void
run_exec(char **arg)
{
	unsigned count = number(arg[0], 1000000);
	char *argv[] = { arg[1], NULL };
	double start = seconds(), cpu = cpu_seconds();

	for (unsigned i = 0; i < count; i++) {
		pid_t pid;
		int status;
		int e = posix_spawn(&pid, arg[1], NULL, NULL, argv, environ);

		if (e != 0 || waitpid(pid, &status, 0) == -1)
			errx(111, "%s: %s", arg[1], strerror(e));
	}
	printf("count=%u us=%.1f cpu_us=%.1f\n", count, (seconds() - start) * 1e6 / count,
	       (cpu_seconds() - cpu) * 1e6 / count);
}

int
main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	struct sockaddr_in at;

	if (strcmp(mode, "port") == 0 && argc == 2 && listen_on(0, &at) != -1)
		printf("%u\n", ntohs(at.sin_port));
	else if (strcmp(mode, "accept") == 0 && argc == 3)
		run_accept(argv[2]);
	else if (strcmp(mode, "commit") == 0 && argc == 6)
		run_commit(argv + 2);
	else if (strcmp(mode, "drain") == 0 && argc == 5)
		run_drain(argv + 2);
	else if (strcmp(mode, "exec") == 0 && argc == 4)
		run_exec(argv + 2);
	else
		errx(2, "usage: floor accept PORT | commit DIR PROCS COUNT SIZE | "
		     "drain DIR SIZE COUNT | exec COUNT PROGRAM | port");
	return 0;
}
