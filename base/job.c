/* See job.h. Sent by the front, received by sessions and keepers. */
#include "base/job.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const struct {
	const char *name;
	enum service service;
} names[] = {
	{ "smtp", SERVICE_SMTP },
	{ "submission", SERVICE_SUBMISSION },
	{ "submissions", SERVICE_SUBMISSIONS },
	{ "lmtp", SERVICE_LMTP },
	{ "odmr", SERVICE_ODMR },
	{ "fetched", SERVICE_FETCHED },
};

const char *
service_name(enum service s)
{
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (names[i].service == s)
			return names[i].name;
	return "smtp";
}

bool
parse_service(const char *s, enum service *service)
{
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(s, names[i].name) == 0) {
			*service = names[i].service;
			return true;
		}
	}
	return false;
}

/*
 * A job as it travels: both ends are this program. No text, since making and reading
 * some would touch more pages of a fresh session than all the rest of this.
 */
struct wire {
	enum service service;
	struct ip client;
	char session_id[LIMIT_ID + 1];
};

/* Room for the two descriptors, aligned as CMSG_* want it. */
union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(2 * sizeof(int))];
};

int
job_send(int sock, const struct job *j)
{
	struct wire w;
	union control control;
	struct iovec iov = { &w, sizeof w };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.space, .msg_controllen = sizeof control.space };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	ssize_t n;

	memset(&w, 0, sizeof w); /* the gaps between the members, too */
	w.service = j->service;
	w.client = j->client;
	memcpy(w.session_id, j->session_id, sizeof w.session_id);
	memset(&control, 0, sizeof control);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(c), (int[]){ j->boundary, j->conn }, 2 * sizeof(int));
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	return n == -1 ? -1 : 0;
}

/* What came beside it; the rest of fd[] stays -1. */
static void
take_fds(struct msghdr *msg, int fd[2])
{
	fd[0] = fd[1] = -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			memcpy(fd, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
}

int
job_recv(int sock, struct job *j)
{
	struct wire w;
	union control control;
	struct iovec iov = { &w, sizeof w };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
		/* CMSG_SPACE might have room for one more descriptor. */
		.msg_control = control.space, .msg_controllen = CMSG_LEN(2 * sizeof(int)) };
	int fd[2];
	ssize_t n;

	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return -1;
	take_fds(&msg, fd);
	if (n == 0 && fd[0] == -1)
		return 0;
	if (n != sizeof w || fd[1] == -1 || msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		for (int i = 0; i < 2; i++)
			if (fd[i] != -1)
				(void)close(fd[i]); /* unwanted; an error changes nothing */
		errno = EBADMSG;
		return -1;
	}
	*j = (struct job){ .service = w.service, .client = w.client,
		.boundary = fd[0], .conn = fd[1] };
	memcpy(j->session_id, w.session_id, sizeof j->session_id - 1);
	return 1;
}

void
job_make_id(char id[LIMIT_ID + 1], unsigned count)
{
	struct timespec now;
	struct text t;

	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
	text_init(&t, id, LIMIT_ID + 1);
	text_addx(&t, (uint64_t)now.tv_sec, 8);
	text_addx(&t, (uint64_t)now.tv_nsec / 1000, 5);
	text_addc(&t, '.');
	text_addx(&t, count, 1);
}
