/*
 * See envelope.h: single values, and what an id or a name says. The file is read by
 * envelope_read.c, written by envelope_write.c; its lines are in envelope_lines.c.
 */
#include "base/envelope.h"

#include <string.h>
#include <unistr.h>

#include "base/envelope_own.h"

static const struct {
	const char *name;
	unsigned bit;
} notifies[] = {
	{ "NEVER", NOTIFY_NEVER },
	{ "SUCCESS", NOTIFY_SUCCESS },
	{ "FAILURE", NOTIFY_FAILURE },
	{ "DELAY", NOTIFY_DELAY },
};

void
envelope_notify_text(struct text *t, unsigned notify)
{
	bool first = true;

	for (size_t i = 0; i < sizeof notifies / sizeof notifies[0]; i++) {
		if ((notify & notifies[i].bit) == 0)
			continue;
		if (!first)
			text_addc(t, ',');
		text_add(t, notifies[i].name);
		first = false;
	}
	if (first)
		text_addc(t, '-');
}

static unsigned
notify_by_name(const char *s, size_t len)
{
	for (size_t i = 0; i < sizeof notifies / sizeof notifies[0]; i++)
		if (strlen(notifies[i].name) == len && strncasecmp(s, notifies[i].name, len) == 0)
			return notifies[i].bit;
	return 0;
}

bool
parse_notify(const char *s, unsigned *notify)
{
	unsigned all = 0;

	for (;;) {
		size_t len = strcspn(s, ",");
		unsigned bit = notify_by_name(s, len);

		if (bit == 0)
			return false;
		all |= bit;
		if (s[len] == '\0')
			break;
		s += len + 1;
	}
	/* RFC 3461 4.1: NEVER stands alone. */
	if ((all & NOTIFY_NEVER) != 0 && all != NOTIFY_NEVER)
		return false;
	*notify = all;
	return true;
}

bool
envelope_is_printable(const char *s)
{
	for (const char *p = s; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	return u8_check((const uint8_t *)s, strlen(s)) == NULL;
}

bool
is_orcpt(const char *s)
{
	size_t type = strcspn(s, ";");

	if (type == 0 || s[type] != ';' || s[type + 1] == '\0' || strlen(s) > LIMIT_ORCPT)
		return false;
	/* addr-type is an atom (RFC 3461 4.2). */
	for (size_t i = 0; i < type; i++)
		if (s[i] <= ' ' || s[i] > '~' || strchr("()<>@,;:\\\".[]", s[i]) != NULL)
			return false;
	return envelope_is_printable(s + type + 1);
}

bool
is_envid(const char *s)
{
	for (const char *p = s; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			return false;
	return strlen(s) <= LIMIT_ENVID;
}

void
envelope_id_priority(struct text *t, int priority)
{
	if (priority == 0)
		return;
	text_add(t, priority > 0 ? "_p" : "_n");
	text_addu(t, (uint64_t)(priority > 0 ? priority : -priority));
}

int
envelope_name_priority(const char *name)
{
	const char *p = strrchr(name, '_');

	if (p == NULL || (p[1] != 'p' && p[1] != 'n') || p[2] < '1' || p[2] > '9' ||
	    (p[3] != '\0' && p[3] != '.'))
		return 0;
	return p[1] == 'p' ? p[2] - '0' : -(p[2] - '0');
}

time_t
envelope_start(const struct envelope *e)
{
	return e->release > e->arrived ? e->release : e->arrived;
}
