/* See job.h. Sent by the front, received by sessions and keepers. */
#include "base/job.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool
parse_service(const char *s, enum service *service)
{
	static const struct {
		const char *name;
		enum service service;
	} names[] = {
		{ "smtp", SERVICE_SMTP },
		{ "submission", SERVICE_SUBMISSION },
		{ "submissions", SERVICE_SUBMISSIONS },
		{ "lmtp", SERVICE_LMTP },
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(s, names[i].name) == 0) {
			*service = names[i].service;
			return true;
		}
	}
	return false;
}

int
job_send(int sock, const struct job *j)
{
	static struct packet p; /* 4 KiB that no stack needs to hold */
	char client[64];
	struct text t;
	int r;

	text_init(&t, client, sizeof client);
	if (j->client.known)
		ip_text(&t, &j->client);
	packet_start(&p, (char)j->service);
	packet_add(&p, client);
	packet_add(&p, j->session_id);
	r = packet_send_pair(sock, &p, j->boundary, j->conn);
	explicit_bzero(p.buf, p.len); /* the next fork inherits it */
	return r;
}

int
job_recv(int sock, struct job *j)
{
	/* What a job fills of it is one page; so a session touches no second one. */
	static struct packet p __attribute__((aligned(4096)));
	int r = packet_recv(sock, &p);

	if (r != 1)
		return r;
	memset(&j->client, 0, sizeof j->client);
	if (p.n != 2 || p.fd[0] == -1 || p.fd[1] == -1 ||
	    (p.field[0][0] != '\0' && !parse_ip(p.field[0], &j->client)) ||
	    !text_copy(j->session_id, sizeof j->session_id, p.field[1])) {
		packet_close_fds(&p);
		errno = EBADMSG;
		return -1;
	}
	explicit_bzero(p.buf, p.len); /* the next client is another one */
	j->service = (enum service)(unsigned char)p.letter;
	j->boundary = p.fd[0];
	j->conn = p.fd[1];
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
