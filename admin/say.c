/* See say.h. Messages longer than the buffer are cut with "..."; none is a value. */
#include "admin/say.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "admin/admin.h"

/* Octets of the control character at s: C0 and DEL, or C1 in UTF-8; 0 if none. */
static unsigned
control_len(const char *s, const char *allowed)
{
	unsigned char c = (unsigned char)s[0];
	unsigned char next = (unsigned char)(c != '\0' ? s[1] : 0);

	if ((c < ' ' && strchr(allowed, c) == NULL) || c == 0x7f)
		return 1;
	return c == 0xc2 && next >= 0x80 && next < 0xa0 ? 2 : 0;
}

static void
put(FILE *f, const char *s, const char *allowed)
{
	while (*s != '\0') {
		unsigned n = control_len(s, allowed);

		if (n == 0)
			(void)putc(*s++, f);
		for (; n > 0; n--)
			(void)fprintf(f, "\\x%02X", (unsigned)(unsigned char)*s++);
	}
}

void
say_safe(FILE *f, const char *s)
{
	put(f, s, "");
}

__attribute__((format(printf, 2, 0)))
static void
print(FILE *f, const char *format, va_list ap)
{
	char buf[8192];
	int n = vsnprintf(buf, sizeof buf, format, ap);

	if (n < 0)
		return;
	put(f, buf, "\n\t"); /* of the formats; no name we print holds one */
	if ((size_t)n >= sizeof buf)
		(void)fputs("...", f);
}

void
say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	print(stdout, format, ap);
	va_end(ap);
}

__attribute__((format(printf, 1, 0)))
static void
complain(const char *format, va_list ap)
{
	(void)fflush(stdout); /* main looks at stdout's errors at the end */
	(void)fputs("postern: ", stderr);
	print(stderr, format, ap);
}

int
say_refused(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	complain(format, ap);
	va_end(ap);
	(void)putc('\n', stderr);
	return REFUSED;
}

int
say_misused(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	complain(format, ap);
	va_end(ap);
	(void)putc('\n', stderr);
	return MISUSED;
}

static int
is_temporary(int err)
{
	switch (err) {
	case EAGAIN:
	case EBUSY:
	case EDQUOT:
	case EINTR:
	case EIO:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOSPC:
		return 1;
	default:
		return 0;
	}
}

int
say_failed(int err, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	complain(format, ap);
	va_end(ap);
	(void)fprintf(stderr, ": %s\n", strerror(err));
	return is_temporary(err) ? TEMPORARY : REFUSED;
}
