/* See interface.h. Called by auth and by auth-pam. */
#include "auth/interface.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* Who runs us has the password in hand, or is broken. */
#define INPUT_MS 60000

bool
interface_split(struct interface_input *in, size_t len)
{
	const char **field[] = { &in->login, &in->second, &in->third };
	const char *at = in->octets;
	const char *end = at + len;

	for (unsigned i = 0; i < 3; i++) {
		size_t n = strnlen(at, (size_t)(end - at));

		if (at + n == end)
			return false; /* its NUL is missing */
		*field[i] = at;
		at += n + 1;
	}
	return in->login[0] != '\0';
}

/* Octets read, one more than LIMIT_CHECKPASSWORD where there are too many; -1 with errno. */
static ssize_t
read_all(char *buf)
{
	struct pollfd p = { INTERFACE_FD, POLLIN, 0 };
	int64_t end = clock_ms() + INPUT_MS, left;
	size_t len = 0;

	errno = ETIMEDOUT;
	while ((left = end - clock_ms()) > 0) {
		ssize_t n = poll(&p, 1, (int)left) > 0 ?
		            read(INTERFACE_FD, buf + len, LIMIT_CHECKPASSWORD + 1 - len) : -1;

		if (n == -1 && errno != EINTR)
			return -1;
		len += n > 0 ? (size_t)n : 0;
		if (n == 0 || len > LIMIT_CHECKPASSWORD)
			return (ssize_t)len;
	}
	return -1;
}

int
interface_read(struct interface_input *in)
{
	ssize_t len = read_all(in->octets);

	if (len == -1) {
		log_error("reading descriptor 3", errno);
		return INTERFACE_LATER;
	}
	if (len <= LIMIT_CHECKPASSWORD) {
		in->octets[len] = '\0';
		if (interface_split(in, (size_t)len))
			return 0;
	}
	log_error("descriptor 3: expected login, password and timestamp, each with a NUL "
	          "behind it, in at most 512 octets", 0);
	return INTERFACE_MISUSED;
}

int
interface_run(const char *user, const char *home, const char *shell, char **program)
{
	if (setenv("USER", user, 1) == -1 || setenv("HOME", home, 1) == -1 ||
	    setenv("SHELL", shell, 1) == -1) {
		log_error("setting the environment", errno);
		return INTERFACE_LATER;
	}
	(void)execvp(program[0], program); /* the interface has it looked for on PATH */
	log_error(program[0], errno);
	return INTERFACE_LATER;
}
