/* See json.h. Output only; Postern reads no JSON. */
#include "admin/json.h"

#include <inttypes.h>
#include <string.h>
#include <unistr.h>

void
json_start(struct json *j, FILE *f)
{
	memset(j, 0, sizeof *j);
	j->f = f;
}

void
json_end(struct json *j)
{
	(void)putc('\n', j->f); /* main looks at the stream's errors at the end */
}

/* RFC 8259 7: quote, backslash and controls are escaped; DEL need not be. */
static void
put_string(FILE *f, const char *s)
{
	(void)putc('"', f);
	while (*s != '\0') {
		ucs4_t c;
		int n = u8_mbtoucr(&c, (const uint8_t *)s, strlen(s));

		if (n < 1) {
			(void)fputs("\\ufffd", f);
			n = 1;
		} else if (c == '"' || c == '\\') {
			(void)fprintf(f, "\\%c", (char)c);
		} else if (c < ' ' || (c >= 0x7f && c < 0xa0)) {
			(void)fprintf(f, "\\u%04x", (unsigned)c);
		} else {
			(void)fwrite(s, 1, (size_t)n, f);
		}
		s += n;
	}
	(void)putc('"', f);
}

static void
put_key(struct json *j, const char *key)
{
	if (j->comma[j->depth])
		(void)putc(',', j->f);
	if (j->depth > 0)
		(void)fprintf(j->f, "\n%*s", (int)(2 * j->depth), "");
	j->comma[j->depth] = true;
	if (key != NULL) {
		put_string(j->f, key);
		(void)fputs(": ", j->f);
	}
}

void
json_open(struct json *j, const char *key, char bracket)
{
	put_key(j, key);
	(void)putc(bracket, j->f);
	if (j->depth + 1 < JSON_DEPTH)
		j->depth++;
	j->comma[j->depth] = false;
}

void
json_close(struct json *j, char bracket)
{
	bool filled = j->comma[j->depth];

	j->depth--;
	if (filled)
		(void)fprintf(j->f, "\n%*s", (int)(2 * j->depth), "");
	(void)putc(bracket, j->f);
}

void
json_string(struct json *j, const char *key, const char *value)
{
	put_key(j, key);
	put_string(j->f, value);
}

void
json_number(struct json *j, const char *key, uint64_t n)
{
	put_key(j, key);
	(void)fprintf(j->f, "%" PRIu64, n);
}

void
json_bool(struct json *j, const char *key, bool b)
{
	put_key(j, key);
	(void)fputs(b ? "true" : "false", j->f);
}

void
json_null(struct json *j, const char *key)
{
	put_key(j, key);
	(void)fputs("null", j->f);
}
