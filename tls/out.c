/* See out.h. */
#include "tls/out.h"

#include <inttypes.h>
#include <stdio.h>

void
out_field(const char *key, const char *value)
{
	/* The stream remembers an error until out_flush(). */
	(void)fputs(key, stdout);
	(void)putchar('\t');
	for (; *value != '\0'; value++)
		(void)putchar((unsigned char)*value < ' ' ? '?' : *value);
	(void)putchar('\n');
}

void
out_number(const char *key, int64_t n)
{
	(void)printf("%s\t%" PRId64 "\n", key, n);
}

void
out_end(void)
{
	(void)putchar('\n');
}

void
out_finding(const char *level, const char *where, const char *problem, const char *advice)
{
	out_field("level", level);
	out_field("where", where);
	out_field("problem", problem);
	out_field("do", advice);
	out_end();
}

int
out_flush(void)
{
	return fflush(stdout) == 0 && !ferror(stdout);
}
