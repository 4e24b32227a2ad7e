/* base/packet.h: the form of packets, and every way to break it. */
#include "base/packet.h"

#include <sys/socket.h>

#include "tests/unit/test.h"

static int pair[2];

static void
send_raw(const void *buf, size_t len, const int *fds, size_t n)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(8 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n > 0) {
		struct cmsghdr *c;

		msg.msg_control = control.space;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	MUST(sendmsg(pair[0], &msg, 0) == (ssize_t)len);
}

static int
open_files(void)
{
	return count_in(AT_FDCWD, "/proc/self/fd");
}

/* Raw octets of one packet; n fields, or -1 for EBADMSG. */
static void
test_forms(void)
{
	static const struct {
		const char *octets;
		size_t len;
		int n;
		const char *last;
	} rows[] = {
		{ "x", 1, 0, NULL },
		{ "\0", 1, 0, NULL },
		{ "x\0", 2, 1, "" },
		{ "xa\0", 3, 1, "a" },
		{ "xa\0b\0", 5, 2, "b" },
		{ "x\0\0\0", 4, 3, "" },
		{ "x123456\0a b\0", 12, 2, "a b" },
		{ "x\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 17, 16, "" },
		{ "x\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 18, -1, NULL },
		{ "xa", 2, -1, NULL },
		{ "xa\0b", 4, -1, NULL },
		{ "x\n", 2, -1, NULL },
	};
	static struct packet p;

	for (size_t i = 0; i < LENGTH(rows); i++) {
		int r;

		send_raw(rows[i].octets, rows[i].len, NULL, 0);
		errno = 0;
		r = packet_recv(pair[1], &p);
		if (rows[i].n == -1)
			TEST(r == -1 && errno == EBADMSG, "packet %s is bad",
			     show_n(rows[i].octets, rows[i].len));
		else
			TEST(r == 1 && p.letter == rows[i].octets[0] && p.n == (unsigned)rows[i].n &&
			     p.fd[0] == -1 && (p.n == 0 || strcmp(p.field[p.n - 1], rows[i].last) == 0),
			     "packet %s has %d fields", show_n(rows[i].octets, rows[i].len),
			     rows[i].n);
	}
}

static void
test_lengths(void)
{
	static struct packet p;
	static char big[LIMIT_PACKET + 1] = "x";
	int r;

	memset(big + 1, 'a', LIMIT_PACKET - 2);
	big[LIMIT_PACKET - 1] = '\0';
	send_raw(big, LIMIT_PACKET, NULL, 0);
	r = packet_recv(pair[1], &p);
	TEST(r == 1 && p.n == 1 && strlen(p.field[0]) == LIMIT_PACKET - 2,
	     "a packet of LIMIT_PACKET octets");
	send_raw(big, LIMIT_PACKET + 1, NULL, 0);
	errno = 0;
	TEST(packet_recv(pair[1], &p) == -1 && errno == EBADMSG, "one octet more is bad");
	send_raw("x", 1, NULL, 0);
	TEST(packet_recv(pair[1], &p) == 1, "nothing of it is left for the next packet");
}

/* The descriptor is a copy of fd `of`. */
static bool
is_copy(int fd, int of)
{
	struct stat a, b;

	return fd > 2 && fstat(fd, &a) == 0 && fstat(of, &b) == 0 && a.st_ino == b.st_ino &&
	       (fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void
test_descriptors(void)
{
	static struct packet p;
	static char big[LIMIT_PACKET + 1] = "x";
	const int fds[4] = { pair[0], pair[1], 0, 0 };
	int before = open_files();

	send_raw("x\0", 2, fds, 1);
	TEST(packet_recv(pair[1], &p) == 1 && is_copy(p.fd[0], pair[0]) && p.fd[1] == -1,
	     "one descriptor arrives, closed on exec");
	packet_close_fds(&p);
	TEST(p.fd[0] == -1 && open_files() == before, "packet_close_fds closes it");
	send_raw("x\0", 2, fds, 2);
	TEST(packet_recv(pair[1], &p) == 1 && is_copy(p.fd[0], pair[0]) &&
	     is_copy(p.fd[1], pair[1]), "two descriptors arrive in order");
	packet_close_fds(&p);
	packet_close_fds(&p);
	TEST(open_files() == before, "packet_close_fds closes both, once");
	for (size_t n = 3; n <= 4; n++) {
		send_raw("x\0", 2, fds, n);
		errno = 0;
		TEST(packet_recv(pair[1], &p) == -1 && errno == EBADMSG && p.fd[0] == -1 &&
		     p.fd[1] == -1, "%zu descriptors are bad", n);
	}
	send_raw("xa", 2, fds, 1);
	TEST(packet_recv(pair[1], &p) == -1 && p.fd[0] == -1, "unterminated, with a descriptor");
	send_raw(big, sizeof big, fds, 2);
	TEST(packet_recv(pair[1], &p) == -1 && p.fd[0] == -1, "too long, with descriptors");
	send_raw("", 0, fds, 1);
	TEST(packet_recv(pair[1], &p) == -1 && p.fd[0] == -1, "no octet, but a descriptor");
	TEST(open_files() == before, "no descriptor of a bad packet is left open");
}

static void
test_building(void)
{
	static struct packet p, q;
	char field[LIMIT_PACKET];

	packet_start(&p, 'y');
	packet_add(&p, "a b");
	packet_addc(&p, '=');
	packet_addu(&p, UINT64_MAX);
	packet_add(&p, "");
	TEST(packet_send(pair[0], &p, -1) == 0 && packet_recv(pair[1], &q) == 1 &&
	     q.letter == 'y' && q.n == 4 && strcmp(q.field[0], "a b") == 0 &&
	     strcmp(q.field[1], "=") == 0 && strcmp(q.field[2], "18446744073709551615") == 0 &&
	     q.field[3][0] == '\0', "what is built arrives");
	packet_start(&p, 'y');
	TEST(packet_send(pair[0], &p, 0) == 0 && packet_recv(pair[1], &q) == 1 && q.n == 0 &&
	     is_copy(q.fd[0], 0) && q.fd[1] == -1, "a letter alone, with a descriptor");
	packet_close_fds(&q);
	TEST(packet_send_pair(pair[0], &p, 0, pair[0]) == 0 && packet_recv(pair[1], &q) == 1 &&
	     is_copy(q.fd[0], 0) && is_copy(q.fd[1], pair[0]), "a letter alone, with two");
	packet_close_fds(&q);
	packet_start(&p, 'y');
	for (int i = 0; i < LIMIT_PACKET_FIELDS + 1; i++)
		packet_add(&p, "");
	errno = 0;
	TEST(packet_send(pair[0], &p, -1) == -1 && errno == EMSGSIZE,
	     "a field too many fails at the send");
	memset(field, 'a', sizeof field);
	field[LIMIT_PACKET - 2] = '\0';
	packet_start(&p, 'y');
	packet_add(&p, field);
	TEST(packet_send(pair[0], &p, -1) == 0 && packet_recv(pair[1], &q) == 1,
	     "LIMIT_PACKET octets are sent");
	packet_add(&p, "");
	packet_add(&p, "");
	errno = 0;
	TEST(packet_send(pair[0], &p, -1) == -1 && errno == EMSGSIZE,
	     "an octet too many fails at the send");
}

static void
test_end(void)
{
	static struct packet p;

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	send_raw("x", 1, NULL, 0);
	MUST(close(pair[0]) == 0);
	TEST(packet_recv(pair[1], &p) == 1, "what was sent before the end arrives");
	TEST(packet_recv(pair[1], &p) == 0, "then comes the end");
	packet_start(&p, 'x');
	errno = 0;
	TEST(packet_send(pair[1], &p, -1) == -1 && errno == EPIPE, "no signal on a closed end");
	MUST(close(pair[1]) == 0);
	errno = 0;
	TEST(packet_recv(pair[1], &p) == -1 && errno == EBADF, "errors have their errno");
}

int
main(void)
{
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	test_forms();
	test_lengths();
	test_descriptors();
	test_building();
	MUST(close(pair[0]) == 0 && close(pair[1]) == 0);
	test_end();
	return 0;
}
