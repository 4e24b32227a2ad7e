/* See inetd.h. */
#include "front/inetd.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

void
inetd_find_client(struct ip *client)
{
	static const char *const names[] = { "TCPREMOTEIP", "REMOTE_ADDR", "REMOTE_HOST" };
	struct sockaddr_storage sa;
	socklen_t len = sizeof sa;

	memset(&sa, 0, sizeof sa);
	memset(client, 0, sizeof *client);
	if (getpeername(0, (struct sockaddr *)&sa, &len) == 0)
		ip_from_sockaddr(client, &sa);
	for (size_t i = 0; i < 3 && !client->known; i++) {
		const char *s = getenv(names[i]);

		if (s != NULL && !parse_ip(s, client))
			client->known = false;
	}
}

bool
inetd_has_question(int boundary, int ms)
{
	struct pollfd p = { boundary, POLLIN, 0 };

	while (poll(&p, 1, ms) == -1 && errno == EINTR)
		;
	/* Length only, no octet: the keeper is not confined yet. */
	return recv(boundary, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT) != 0;
}

static bool
is_gone(int pidfd, int ms)
{
	struct pollfd p = { pidfd, POLLIN, 0 };
	int n;

	do
		n = poll(&p, 1, ms);
	while (n == -1 && errno == EINTR);
	return n > 0;
}

/* It may be of another uid, so its connection is what we cut. */
bool
inetd_reap(pid_t session, int ms, int *status)
{
	int pidfd = (int)syscall(SYS_pidfd_open, session, 0);
	bool gone = pidfd != -1 && is_gone(pidfd, ms);

	if (pidfd != -1 && !gone) {
		(void)shutdown(1, SHUT_RDWR); /* a pipe closes when we exit */
		gone = is_gone(pidfd, ms);
	}
	/* Dead, but a tracer (strace) sees it first: so wait, it is not for long. */
	if (waitpid(session, status, gone ? 0 : WNOHANG) != session) {
		log_error("session does not end", 0);
		return false;
	}
	return true;
}
