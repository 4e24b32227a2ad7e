/*
 * front/listen.h: sockets of LISTEN_FDS and of -L, and their way through exec: what
 * one program hands over the next one takes.
 */
#include "front/listen.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "tests/unit/test.h"

static const char *why;

/* A port that nobody has just now. */
static unsigned
free_port(void)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	socklen_t len = sizeof sin6;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	MUST(fd != -1 && bind(fd, (struct sockaddr *)&sin6, sizeof sin6) == 0);
	MUST(getsockname(fd, (struct sockaddr *)&sin6, &len) == 0 && close(fd) == 0);
	return ntohs(sin6.sin6_port);
}

static const struct {
	const char *where; /* %u: a free port */
	bool good;
} places[] = {
	{ "127.0.0.1:%u", true },
	{ "[127.0.0.1]:%u", true },
	{ "[::1]:%u", true },
	{ "::1:%u", true },
	{ "::ffff:127.0.0.1:%u", true },
	{ "*:%u", true },
	{ "[::]:%u", true },
	{ "0.0.0.0:%u", true },
	{ "", false },
	{ ":", false },
	{ ":%u", false },
	{ "127.0.0.1", false },
	{ "127.0.0.1:", false },
	{ "127.0.0.1:0", false },
	{ "127.0.0.1:65536", false },
	{ "127.0.0.1:-1", false },
	{ "127.0.0.1:25x", false },
	{ "127.0.0.1:smtp", false },
	{ "localhost:%u", false },
	{ "[::1:%u", false },
	{ "::1]:%u", false },
	{ "[]:%u", false },
	{ "[*]:%u", true },
	{ "**:%u", false },
	{ "127.0.0.1%%lo:%u", false },
	{ "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001]:%u", false },
	{ "lmtp.socket", false },
};

static void
test_places(void)
{
	for (size_t i = 0; i < LENGTH(places); i++) {
		struct listeners l = { 0 };
		char where[128];
		int r, on = 0;
		socklen_t len = sizeof on;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(where, sizeof where, places[i].where, free_port());
#pragma GCC diagnostic pop
		why = NULL;
		r = listen_open(&l, where, SERVICE_LMTP, &why);
		if (!places[i].good) {
			TEST(r == -1 && errno == 0 && why != NULL && l.n == 0, "-L refuses %s",
			     show(where));
			continue;
		}
		if (!TEST(r == 0 && l.n == 1 && l.at[0].service == SERVICE_LMTP, "-L %s", where))
			continue;
		TEST(getsockopt(l.at[0].fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on &&
		     fcntl(l.at[0].fd, F_GETFD) == FD_CLOEXEC &&
		     fcntl(l.at[0].fd, F_GETFL) & O_NONBLOCK, "it listens, without waiting");
		TEST(getsockopt(l.at[0].fd, IPPROTO_TCP, TCP_NODELAY, &on, &len) == 0 && on,
		     "replies will wait for nothing");
		MUST(close(l.at[0].fd) == 0);
	}
}

static void
test_taken(void)
{
	struct listeners l = { 0 };
	char where[64];

	snprintf(where, sizeof where, "127.0.0.1:%u", free_port());
	MUST(listen_open(&l, where, SERVICE_SMTP, &why) == 0);
	TEST(listen_open(&l, where, SERVICE_SMTP, &why) == -1 && errno == EADDRINUSE &&
	     strcmp(why, where) == 0 && l.n == 1, "a port that is taken: EADDRINUSE");
	MUST(close(l.at[0].fd) == 0);
	TEST(listen_open(&l, where, SERVICE_SMTP, &why) == 0, "free again at once");
	MUST(close(l.at[1].fd) == 0);
	TEST(listen_open(&l, "192.0.2.1:2525", SERVICE_SMTP, &why) == -1 &&
	     errno == EADDRNOTAVAIL, "no address of ours: EADDRNOTAVAIL");
	l.n = FRONT_LISTENERS;
	TEST(listen_open(&l, where, SERVICE_SMTP, &why) == -1 && errno == 0,
	     "no more than %d", FRONT_LISTENERS);
}

/* From here on this process is on a kernel without IPv6. */
static bool
lose_ipv6(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { LENGTH(filter), filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) == 0;
}

static void
test_without_ipv6(void)
{
	struct listeners l = { 0 };
	char one[64], any[64], six[64];
	int status;
	pid_t pid;

	snprintf(one, sizeof one, "127.0.0.1:%u", free_port());
	snprintf(any, sizeof any, "*:%u", free_port());
	snprintf(six, sizeof six, "[::1]:%u", free_port());
	fflush(stdout);
	pid = fork();
	MUST(pid != -1);
	if (pid == 0) {
		MUST(lose_ipv6());
		TEST(listen_open(&l, one, SERVICE_SMTP, &why) == 0, "without IPv6: %s", one);
		TEST(listen_open(&l, one, SERVICE_SMTP, &why) == -1 && errno == EADDRINUSE,
		     "without IPv6: a port that is taken");
		TEST(listen_open(&l, any, SERVICE_SMTP, &why) == 0, "without IPv6: %s", any);
		TEST(listen_open(&l, six, SERVICE_SMTP, &why) == -1 && errno == EAFNOSUPPORT,
		     "without IPv6: %s is refused", six);
		_exit(0);
	}
	MUST(waitpid(pid, &status, 0) == pid && status == 0);
}

static int
connect_to(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	MUST(fd != -1 && text_copy(sun.sun_path, sizeof sun.sun_path, path));
	if (connect(fd, (struct sockaddr *)&sun, sizeof sun) == 0)
		return fd;
	MUST(close(fd) == 0);
	return -1;
}

static void
test_unix(int dir)
{
	struct listeners l = { 0 };
	char path[128], file[128], *giant = repeat('/', 200);

	snprintf(path, sizeof path, "%s/socket", test_dir);
	snprintf(file, sizeof file, "%s/file", test_dir);
	MUST(listen_open(&l, path, SERVICE_LMTP, &why) == 0);
	TEST(connect_to(path) != -1, "a unix socket");
	TEST(listen_open(&l, path, SERVICE_LMTP, &why) == -1 && errno == EADDRINUSE &&
	     connect_to(path) != -1, "one that answers is left alone");
	MUST(close(l.at[0].fd) == 0);
	TEST(connect_to(path) == -1 && count_in(dir, ".") == 1, "one that was left behind");
	TEST(listen_open(&l, path, SERVICE_LMTP, &why) == 0 && connect_to(path) != -1,
	     "is removed, and made anew");
	put(dir, "file", "precious");
	TEST(listen_open(&l, file, SERVICE_LMTP, &why) == -1 && errno == EADDRINUSE,
	     "a file is in the way");
	TEST_STR(get(dir, "file"), "precious", "and stays");
	MUST(symlinkat("socket", dir, "link") == 0);
	snprintf(file, sizeof file, "%s/link", test_dir);
	TEST(listen_open(&l, file, SERVICE_LMTP, &why) == -1 && count_in(dir, ".") == 3,
	     "so does a link");
	TEST(listen_open(&l, giant, SERVICE_LMTP, &why) == -1 && errno == ENAMETOOLONG,
	     "a path too long");
	free(giant);
}

/* LISTEN_FDS counts from 3, so what the test itself has open must be higher. */
static void
set_environment(const char *pid, const char *fds, const char *names)
{
	char number[24];

	snprintf(number, sizeof number, "%d", (int)getpid());
	MUST(setenv("LISTEN_PID", strcmp(pid, "ours") == 0 ? number : pid, 1) == 0);
	MUST(setenv("LISTEN_FDS", fds, 1) == 0);
	MUST(names != NULL ? setenv("LISTEN_FDNAMES", names, 1) == 0 :
	     unsetenv("LISTEN_FDNAMES") == 0);
}

static void
place_at(int fd, int number)
{
	MUST(dup2(fd, number) == number);
}

static void
open_inherited(void)
{
	struct listeners l = { 0 };
	char where[64];

	for (int i = 0; i < 3; i++) {
		snprintf(where, sizeof where, "127.0.0.1:%u", free_port());
		MUST(listen_open(&l, where, SERVICE_SMTP, &why) == 0);
	}
	for (int i = 0; i < 3; i++) {
		int high = fcntl(l.at[i].fd, F_DUPFD_CLOEXEC, 100);

		MUST(high != -1 && close(l.at[i].fd) == 0);
		l.at[i].fd = high;
	}
	for (int i = 0; i < 3; i++)
		place_at(l.at[i].fd, 3 + i);
}

/* services: one letter each; NULL: refused; "": not for us. */
static const struct {
	const char *pid, *fds, *names, *services;
} rows[] = {
	{ "ours", "3", "smtp:submission:lmtp", "sul" },
	{ "ours", "2", "lmtp:lmtp", "ll" },
	{ "ours", "3", "lmtp", "l00" },
	{ "ours", "3", NULL, "000" },
	{ "ours", "3", "", "000" },
	{ "ours", "3", "::lmtp", "00l" },
	{ "ours", "3", "unknown:postern.socket:smtp", "00s" },
	{ "ours", "1", "x.socket", "0" },
	{ "ours", "1", ".socket", NULL },
	{ "ours", "1", "lmtp:smtp:submission", "l" },
	{ "ours", "1", "imap", NULL },
	{ "ours", "1", "SMTP", NULL },
	{ "ours", "1", "connection", NULL },
	{ "ours", "2", "smtp:0123456789012345678901234567890123456789012345678901234567890123",
	  NULL },
	{ "ours", "33", "", NULL },
	{ "ours", "-1", "", NULL },
	{ "ours", "x", "", NULL },
	{ "ours", "", "", NULL },
	{ "ours", "0", "", "" },
	{ "1", "3", "imap", "" },
	{ "0", "3", "imap", "" },
	{ "", "3", "imap", "" },
	{ "x", "3", "imap", "" },
	{ "99999999999999999999", "3", "imap", "" },
	/* Descriptor 6 is a file, 7 a socket that does not listen, 8 one for datagrams. */
	{ "ours", "4", NULL, NULL },
};

static void
test_rows(void)
{
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct listeners l = { .n = 77 };
		char got[8] = "";
		int r;

		set_environment(rows[i].pid, rows[i].fds, rows[i].names);
		why = NULL;
		r = listen_take(&l, &why);
		for (unsigned k = 0; r > 0 && k < l.n && k < 7; k++) {
			got[k] = l.at[k].service != 0 ? (char)l.at[k].service : '0';
			got[k + 1] = '\0';
			r = l.at[k].fd == 3 + (int)k ? r : -2;
		}
		if (rows[i].services == NULL)
			TEST(r == -1 && why != NULL, "LISTEN_FDS=%s LISTEN_FDNAMES=%s is refused",
			     rows[i].fds, rows[i].names != NULL ? rows[i].names : "(none)");
		else
			TEST(r == (int)strlen(rows[i].services) && l.n == (unsigned)r &&
			     strcmp(got, rows[i].services) == 0,
			     "LISTEN_PID=%s LISTEN_FDS=%s LISTEN_FDNAMES=%s", rows[i].pid,
			     rows[i].fds, rows[i].names != NULL ? rows[i].names : "(none)");
	}
}

static void
test_no_listeners(void)
{
	struct listeners l;
	int fds[3] = { open("/dev/null", O_RDONLY | O_CLOEXEC),
		       socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
		       socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) };
	static const char *const what[] = { "a file", "a socket that does not listen",
		                            "a datagram socket" };

	set_environment("ours", "4", NULL);
	for (int i = 0; i < 3; i++) {
		MUST(fds[i] != -1);
		place_at(fds[i], 6);
		TEST(listen_take(&l, &why) == -1, "%s is refused", what[i]);
		MUST(close(fds[i]) == 0);
	}
	MUST(close(6) == 0);
	TEST(listen_take(&l, &why) == -1, "a number that is not open is refused");
}

static bool
is_same_file(int a, const struct stat *s)
{
	struct stat t;

	return fstat(a, &t) == 0 && t.st_ino == s->st_ino;
}

/* Sockets in another order than their numbers, one of them above the gap. */
static void
test_hand_over(void)
{
	struct listeners out = { .n = 3 }, in;
	struct stat files[3];
	int high = fcntl(3, F_DUPFD_CLOEXEC, 200);

	MUST(high != -1);
	out.at[0] = (struct listener){ 5, SERVICE_LMTP };
	out.at[1] = (struct listener){ 4, SERVICE_SUBMISSIONS };
	out.at[2] = (struct listener){ high, SERVICE_ODMR };
	for (int i = 0; i < 3; i++)
		MUST(fstat(out.at[i].fd, &files[i]) == 0);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	listen_hand_over(&out);
	for (int i = 0; i < 3; i++)
		MUST(fcntl(3 + i, F_GETFD) == 0); /* not closed by exec */
	TEST(listen_take(&in, &why) == 3, "what is handed over is taken");
	TEST_STR(getenv("LISTEN_FDNAMES"), "lmtp:submissions:odmr", "names");
	for (int i = 0; i < 3; i++)
		TEST(in.at[i].service == out.at[i].service && is_same_file(3 + i, &files[i]) &&
		     fcntl(3 + i, F_GETFD) == FD_CLOEXEC, "socket %d is the one it was", i);
}

int
main(void)
{
	int dir;

	/* Not where LISTEN_FDS will be. */
	for (int fd = 3; fd < 12; fd++)
		if (fcntl(fd, F_GETFD) == -1)
			place_at(0, fd);
	dir = scratch();
	test_places();
	test_taken();
	test_without_ipv6();
	test_unix(dir);
	for (int fd = 3; fd < 12; fd++)
		MUST(close(fd) == 0);
	open_inherited();
	test_rows();
	test_no_listeners();
	test_hand_over();
	return 0;
}
