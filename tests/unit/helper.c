/*
 * base/helper.h: helper_run() with a tiny service, over a feed and over sockets, and
 * helper_connect(). The service answers each packet with its letter: "p" its pid, "h" a
 * number that a reload raises, "w" nothing, until the end.
 */
#include "base/helper.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "base/log.h"
#include "base/packet.h"
#include "tests/unit/test.h"

static volatile sig_atomic_t reloads, prepared;

static int
serve(int conn)
{
	struct packet p;

	while (packet_recv(conn, &p) == 1) {
		char letter = p.letter;

		packet_close_fds(&p);
		if (letter == 'x')
			abort();
		if (letter == 'w')
			continue;
		packet_start(&p, letter);
		packet_addu(&p, letter == 'h' ? (uint64_t)reloads :
		                letter == 'n' ? (uint64_t)prepared : (uint64_t)getpid());
		if (packet_send(conn, &p, -1) == -1)
			return 1;
	}
	return 0;
}

static void
reload(void)
{
	reloads++;
}

static void
prepare(void)
{
	prepared++;
}

static struct helper helper;
static pid_t pid;
static struct helper_door door;
static char path[100];
static int log_fd;

/* Starts the helper with what is at `fd` on 3; the environment says what it is. */
static void
start(int fd)
{
	char number[16];

	log_fd = memfd_create("log", MFD_CLOEXEC);
	fflush(stdout);
	pid = fork();
	MUST(log_fd != -1 && pid != -1);
	if (pid != 0)
		return;
	alarm(60);
	MUST(dup2(log_fd, 2) == 2);
	if (fd != 3)
		MUST(dup2(fd, 3) == 3);
	MUST(syscall(SYS_close_range, 4, ~0U, 0) == 0);
	snprintf(number, sizeof number, "%d", (int)getpid());
	setenv("LISTEN_PID", number, 1);
	setenv("LISTEN_FDS", "1", 1);
	log_open("helper");
	_exit(helper_run(&helper));
}

static void
start_feed(void)
{
	int pair[2];

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	helper.feed = true;
	start(pair[1]);
	MUST(close(pair[1]) == 0);
	door = (struct helper_door){ NULL, pair[0] };
}

static void
start_socket(int type)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(path, sizeof path, "%s/socket", test_dir);
	(void)unlink(path);
	MUST(fd != -1 && text_copy(sun.sun_path, sizeof sun.sun_path, path));
	MUST(bind(fd, (struct sockaddr *)&sun, sizeof sun) == 0 && listen(fd, 10) == 0);
	helper.feed = false;
	start(fd);
	MUST(close(fd) == 0);
	door = (struct helper_door){ path, -1 };
}

static int
open_door(void)
{
	int fd = helper_connect(&door);

	MUST(fd != -1 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	return fd;
}

/* The number in the answer, -1 where the connection is closed, -2 for silence. */
static long
ask_in(int fd, char letter, int ms)
{
	struct pollfd ready = { fd, POLLIN, 0 };
	struct packet p;

	packet_start(&p, letter);
	if (packet_send(fd, &p, -1) == -1)
		return -1;
	if (poll(&ready, 1, ms) != 1)
		return -2;
	return packet_recv(fd, &p) == 1 && p.n == 1 ? strtol(p.field[0], NULL, 10) : -1;
}

static long
ask(int fd, char letter)
{
	return ask_in(fd, letter, 10000);
}

/* The parent's exit code; -1 while it lives after so many milliseconds. */
static int
wait_end(int ms)
{
	struct timespec tick = { 0, 5000000 };
	int status;

	for (int i = 0; i < ms / 5; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
		(void)nanosleep(&tick, NULL);
	}
	return -1;
}

static void
leave(void)
{
	if (door.feed != -1)
		MUST(close(door.feed) == 0);
	MUST(close(log_fd) == 0);
}

static const char *
logged(void)
{
	static char buf[8192];
	ssize_t n = pread(log_fd, buf, sizeof buf - 1, 0);

	MUST(n >= 0);
	buf[n] = '\0';
	return buf;
}

static void
test_serving(const char *way)
{
	int a = open_door(), b = open_door(), c;
	long first = ask(a, 'p'), second = ask(b, 'p');

	TEST(first > 0 && second > 0 && first != second && first != pid && second != pid,
	     "%s: a process for each connection", way);
	TEST(ask(a, 'p') == first, "%s: and it stays", way);
	TEST(ask(b, 'n') == 2, "%s: prepared before each", way);
	/* Two is the cap; the third waits for an end. */
	c = open_door();
	TEST(ask_in(c, 'p', 200) == -2, "%s: over the cap it waits", way);
	MUST(close(a) == 0);
	{
		struct pollfd ready = { c, POLLIN, 0 };

		TEST(poll(&ready, 1, 10000) == 1, "%s: and is served when one has ended", way);
	}
	MUST(close(b) == 0 && close(c) == 0);
}

static void
test_reload(const char *way)
{
	bool heard = false;
	int a, b;

	a = open_door();
	MUST(ask(a, 'h') == 0 && kill(pid, SIGHUP) == 0);
	/* The signal is heard before the next connection is taken, or soon. */
	for (int i = 0; i < 100 && !heard; i++) {
		b = open_door();
		heard = ask(b, 'h') == 1;
		MUST(close(b) == 0);
		(void)poll(NULL, 0, 10);
	}
	TEST(heard, "%s: SIGHUP reloads", way);
	TEST(ask(a, 'h') == 0, "%s: a reload is for those that come", way);
	MUST(close(a) == 0);
}

static void
test_child_death(const char *way)
{
	int a = open_door(), b = open_door();

	MUST(ask(b, 'p') > 0);
	TEST(ask(a, 'x') == -1, "%s: a child dies", way);
	TEST(ask(b, 'p') > 0, "%s: another lives on", way);
	MUST(close(a) == 0 && close(b) == 0);
	a = open_door();
	TEST(ask(a, 'p') > 0, "%s: and new ones are served", way);
	MUST(close(a) == 0);
	/* Its descriptors close before it can be waited for. */
	for (int i = 0; i < 200 && strstr(logged(), "event=child-died") == NULL; i++)
		(void)poll(NULL, 0, 10);
	TEST(strstr(logged(), "event=child-died signal=ABRT") != NULL, "%s: it is logged: %s", way,
	     show(logged()));
}

/* Not a connection's end: the helper goes on, and the descriptors are closed. */
static void
test_bad_feed(void)
{
	struct packet p;
	char octet;
	int pair[2], a;

	packet_start(&p, HELPER_FEED);
	MUST(packet_send(door.feed, &p, -1) == 0);
	packet_start(&p, 'x');
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	MUST(packet_send(door.feed, &p, pair[1]) == 0);
	packet_start(&p, HELPER_FEED);
	MUST(packet_send_pair(door.feed, &p, pair[1], pair[1]) == 0);
	MUST(send(door.feed, "no packet", 9, 0) == 9 && close(pair[1]) == 0);
	a = open_door();
	TEST(ask(a, 'p') > 0, "feed: a packet that is none is passed over");
	TEST(recv(pair[0], &octet, 1, 0) == 0, "feed: and what came with it is closed");
	MUST(close(pair[0]) == 0 && close(a) == 0);
}

/* Everybody has gone: it ends; its children do not. */
static void
test_feed_end(void)
{
	int a = open_door();

	MUST(ask(a, 'p') > 0 && close(door.feed) == 0);
	door.feed = -1;
	TEST(wait_end(10000) == 0, "feed: ends when nobody holds it");
	TEST(ask(a, 'p') > 0, "feed: its child does not");
	MUST(close(a) == 0);
}

static void
test_stop(const char *way)
{
	int a = open_door();

	MUST(ask(a, 'p') > 0 && kill(pid, SIGTERM) == 0);
	TEST(wait_end(10000) == 0, "%s: SIGTERM ends it", way);
	TEST(ask(a, 'p') > 0, "%s: a child goes on", way);
	MUST(close(a) == 0);
}

static void
test_idle(void)
{
	int a;

	helper.idle_ms = 300;
	start_socket(SOCK_SEQPACKET);
	a = open_door();
	MUST(ask(a, 'p') > 0);
	TEST(wait_end(500) == -1, "socket: not idle with a child");
	MUST(close(a) == 0);
	TEST(wait_end(10000) == 0, "socket: idle, it ends");
	leave();
	helper.idle_ms = 0;
	start_socket(SOCK_SEQPACKET);
	TEST(wait_end(400) == -1, "socket: 0 is never");
	MUST(kill(pid, SIGTERM) == 0 && wait_end(10000) == 0);
	leave();
}

static void
test_doors(void)
{
	struct helper_door none = { NULL, -1 }, empty = { "", -1 }, gone = { path, -1 };
	char *giant = repeat('x', 200);
	struct helper_door long_one = { giant, -1 };
	int pair[2];

	TEST(helper_connect(&none) == -1 && errno == ENOENT, "no door");
	TEST(helper_connect(&empty) == -1 && errno == ENOENT, "no path, no door");
	TEST(helper_connect(&gone) == -1 && errno == ECONNREFUSED, "nobody listens");
	TEST(helper_connect(&long_one) == -1 && errno == ENAMETOOLONG, "a path that is too long");
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0 &&
	     close(pair[1]) == 0);
	none.feed = pair[0];
	TEST(helper_connect(&none) == -1 && errno == EPIPE, "a feed that nobody reads");
	free(giant);
}

int
main(void)
{
	alarm(120);
	(void)signal(SIGPIPE, SIG_IGN);
	MUST(close(scratch()) == 0);
	helper = (struct helper){ .children = 2, .serve = serve, .reload = reload,
	                          .prepare = prepare };
	start_feed();
	test_serving("feed");
	test_reload("feed");
	test_child_death("feed");
	test_bad_feed();
	test_feed_end();
	leave();
	start_feed();
	test_stop("feed");
	leave();
	start_socket(SOCK_SEQPACKET);
	test_serving("socket");
	test_reload("socket");
	test_child_death("socket");
	test_stop("socket");
	leave();
	test_idle();
	test_doors();
	start_socket(SOCK_STREAM);
	TEST(wait_end(10000) == 255, "a stream socket is no door");
	leave();
	return 0;
}
