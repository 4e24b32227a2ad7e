/*
 * The sender as a program, for sender.py: `sender run FD [JAIL UID GID]`, where FD is its
 * boundary; and `sender convert 7|8 lines|raw SKIP`, a stored message on fd 0 as it would
 * go out to a hop that takes 7bit or 8bit lines, exit code 1 where that can't be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "relay/content.h"
#include "relay/sender.h"

static bool
put(void *arg, const char *s, size_t len)
{
	uint64_t *n = arg;

	*n += len;
	return fwrite(s, 1, len, stdout) == len;
}

static int
convert(char **argv)
{
	static struct content c;
	struct stat st;
	uint64_t n = 0;

	if (fstat(0, &st) == -1 ||
	    !content_open(&c, 0, strtoull(argv[2], NULL, 10), (uint64_t)st.st_size,
	                  strcmp(argv[1], "raw") == 0))
		return 2;
	switch (content_fit(&c, false, argv[0][0] == '7' ? CONTENT_7BIT : CONTENT_8BIT)) {
	case CONTENT_FITS:
		break;
	case CONTENT_NEVER:
		fprintf(stderr, "%s", c.plan.why);
		return 1;
	case CONTENT_FAILED:
		return 2;
	}
	if (!content_write(&c, 0, false, put, &n) || fflush(stdout) != 0)
		return 2;
	if (n != c.size) {
		fprintf(stderr, "size %llu, but %llu octets", (unsigned long long)c.size,
		        (unsigned long long)n);
		return 3;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "convert") == 0)
		return convert(argv + 2);
	if (argc != 3 && argc != 6)
		return 2;
	sender_confine(atoi(argv[2]), argc == 6 ? argv[3] : "/",
	               argc == 6 ? (uid_t)atoi(argv[4]) : 0,
	               argc == 6 ? (gid_t)atoi(argv[5]) : 0);
	_exit((int)sender_run(SENDER_BOUNDARY, true));
}
