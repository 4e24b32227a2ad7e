/*
 * The least an SMTP server can do: a greeting, one answer to EHLO, one to QUIT.
 * What a process that does this costs is what tcpserver, or a fork, costs.
 */
#ifndef TESTS_BENCH_GREET_H
#define TESTS_BENCH_GREET_H

#include <string.h>
#include <unistd.h>

static inline int
greet_say(int fd, const char *text)
{
	size_t len = strlen(text);

	return write(fd, text, len) == (ssize_t)len;
}

/* One command a read: the load client waits for each answer. */
static inline int
greet(int in, int out)
{
	char line[512];
	const char *answer = "220 greet.test ESMTP\r\n";

	while (greet_say(out, answer)) {
		if (read(in, line, sizeof line) <= 0)
			return 0;
		if (line[0] == 'Q')
			return greet_say(out, "221 2.0.0 bye\r\n");
		answer = "250 greet.test\r\n";
	}
	return 0;
}

#endif
