/*
 * Packets between processes of different privilege. Everything received is
 * foreign: lengths, ends and descriptors are checked before a field is shown.
 */
#include "base/packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for the descriptors, aligned as CMSG_* want it. */
union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(PACKET_FDS * sizeof(int))];
};

void
packet_start(struct packet *p, char letter)
{
	p->letter = letter;
	p->n = 0;
	p->fd[0] = p->fd[1] = -1;
	p->buf[0] = letter;
	p->len = 1;
}

void
packet_add(struct packet *p, const char *field)
{
	size_t len = strlen(field) + 1;

	if (p->n == LIMIT_PACKET_FIELDS || len > sizeof p->buf - p->len) {
		p->len = sizeof p->buf + 1; /* remembered until the send */
		p->n = LIMIT_PACKET_FIELDS;
		return;
	}
	memcpy(p->buf + p->len, field, len);
	p->field[p->n++] = p->buf + p->len;
	p->len += len;
}

void
packet_addc(struct packet *p, char c)
{
	char s[2] = { c, '\0' };

	packet_add(p, s);
}

void
packet_addu(struct packet *p, uint64_t n)
{
	char s[24];
	struct text t;

	text_init(&t, s, sizeof s);
	text_addu(&t, n);
	packet_add(p, s);
}

static int
send_with(int sock, struct packet *p, const int *fds, size_t n_fds)
{
	union control control;
	struct iovec iov = { p->buf, p->len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space,
		.msg_controllen = CMSG_SPACE(n_fds * sizeof *fds) };
	struct cmsghdr *c;
	ssize_t n;

	if (p->len > sizeof p->buf) {
		errno = EMSGSIZE;
		return -1;
	}
	memset(&control, 0, sizeof control);
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n_fds * sizeof *fds);
	memcpy(CMSG_DATA(c), fds, n_fds * sizeof *fds);
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	return n == -1 ? -1 : 0;
}

/* By a call that could not carry a descriptor: filters allow no other (sandbox_calls.h). */
static int
send_plain(int sock, const struct packet *p)
{
	ssize_t n;

	if (p->len > sizeof p->buf) {
		errno = EMSGSIZE;
		return -1;
	}
	do
		n = send(sock, p->buf, p->len, MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	return n == -1 ? -1 : 0;
}

int
packet_send(int sock, struct packet *p, int fd)
{
	return fd == -1 ? send_plain(sock, p) : send_with(sock, p, &fd, 1);
}

void
packet_offer(int sock, struct packet *p)
{
	if (p->len <= sizeof p->buf)
		(void)send(sock, p->buf, p->len, MSG_DONTWAIT | MSG_NOSIGNAL); /* or not */
}

int
packet_send_pair(int sock, struct packet *p, int fd0, int fd1)
{
	int fds[PACKET_FDS] = { fd0, fd1 };

	return send_with(sock, p, fds, PACKET_FDS);
}

void
packet_close_fds(struct packet *p)
{
	for (size_t i = 0; i < PACKET_FDS; i++) {
		if (p->fd[i] != -1)
			(void)close(p->fd[i]); /* unwanted; an error changes nothing */
		p->fd[i] = -1;
	}
}

static int
bad_packet(struct packet *p)
{
	packet_close_fds(p);
	errno = EBADMSG;
	return -1;
}

static int
split(struct packet *p)
{
	size_t at = 1;

	p->letter = p->buf[0];
	p->n = 0;
	if (p->len > 1 && p->buf[p->len - 1] != '\0')
		return -1;
	while (at < p->len) {
		if (p->n == LIMIT_PACKET_FIELDS)
			return -1;
		p->field[p->n++] = p->buf + at;
		at += strlen(p->buf + at) + 1;
	}
	return 0;
}

int
packet_recv(int sock, struct packet *p)
{
	union control control;
	struct iovec iov = { p->buf, sizeof p->buf };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		/* CMSG_SPACE might have room for one more descriptor. */
		.msg_controllen = CMSG_LEN(PACKET_FDS * sizeof(int)),
	};
	struct cmsghdr *c;
	ssize_t n;

	p->fd[0] = p->fd[1] = -1;
	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return -1;
	for (c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			memcpy(p->fd, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return bad_packet(p);
	if (n == 0)
		return p->fd[0] == -1 ? 0 : bad_packet(p);
	p->len = (size_t)n;
	return split(p) == 0 ? 1 : bad_packet(p);
}
