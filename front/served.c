/* See served.h. */
#include "front/served.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

void
served_start(const char *session_id, const struct ip *ip)
{
	char client[INET6_ADDRSTRLEN];
	struct text t;

	text_init(&t, client, sizeof client);
	ip_text(&t, ip);
	log_context(session_id, client);
}

void
served_end(time_t start)
{
	struct log_line l;

	log_start(&l, "end");
	log_number(&l, "seconds", (uint64_t)(time(NULL) - start));
	log_send(&l, LOG_LEVEL_INFO);
}

bool
served_say_421(int fd)
{
	static const char reply[] = "421 4.3.0 our mistake, please try again later\r\n";

	if (send(fd, reply, sizeof reply - 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		return true;
	return errno == ENOTSOCK && write(fd, reply, sizeof reply - 1) > 0;
}
