/* See journal.h. No library is needed for one datagram; called by log.c. */
#include "base/journal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/limits.h"

#define MAIL_FACILITY "2" /* syslog(3): LOG_MAIL */

int
journal_open(void)
{
	static const struct sockaddr_un sun = {
		.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket",
	};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd != -1 && connect(fd, (const struct sockaddr *)&sun, sizeof sun) == -1) {
		int err = errno;

		(void)close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

static void
add_key(struct text *t, const char *key, size_t len)
{
	text_add(t, "POSTERN_");
	for (size_t i = 0; i < len; i++)
		text_addc(t, key[i] == '-' ? '_' :
		             (char)(key[i] >= 'a' && key[i] <= 'z' ? key[i] - 'a' + 'A' : key[i]));
	text_addc(t, '=');
}

/* The value at s; returns what is behind it. */
static const char *
add_value(struct text *t, const char *s)
{
	bool quoted = *s == '"';

	for (s += quoted; *s != '\0' && *s != (quoted ? '"' : ' '); s++) {
		if (quoted && *s == '\\' && (s[1] == '"' || s[1] == '\\'))
			s++;
		text_addc(t, *s);
	}
	return s + (quoted && *s == '"');
}

void
journal_text(struct text *t, const char *line, int level, const char *identifier)
{
	text_add(t, "MESSAGE=");
	text_add(t, line);
	text_add(t, "\nPRIORITY=");
	text_addu(t, (uint64_t)level);
	text_add(t, "\nSYSLOG_FACILITY=" MAIL_FACILITY "\nSYSLOG_IDENTIFIER=");
	text_add(t, identifier);
	text_addc(t, '\n');
	while (*line != '\0') {
		size_t len = strcspn(line, "= ");

		if (line[len] != '=')
			return; /* no line of log.h */
		add_key(t, line, len);
		line = add_value(t, line + len + 1);
		text_addc(t, '\n');
		line += *line == ' ';
	}
}

bool
journal_send(int fd, const char *line, int level, const char *identifier)
{
	char out[3 * LIMIT_LOG_LINE];
	struct text t;

	text_init(&t, out, sizeof out);
	journal_text(&t, line, level, identifier);
	return text_ok(&t) && send(fd, out, t.len, MSG_DONTWAIT | MSG_NOSIGNAL) != -1;
}
