/* See verdict.h. */
#include "spool/verdict.h"

#include <string.h>
#include <sysexits.h>

#include "base/text.h"

void
verdict_set(struct verdict *v, int code, const char *status, const char *what,
            const char *of)
{
	struct text t;

	v->code = code;
	(void)text_copy(v->status, sizeof v->status, status); /* it is as short */
	v->id[0] = '\0';
	text_init(&t, v->text, sizeof v->text); /* cut where it does not fit: a person's */
	text_add(&t, what);
	if (of[0] != '\0') {
		text_add(&t, ": ");
		text_add(&t, of);
	}
	/* An address may hold what a terminal or a log would take amiss. */
	for (char *p = v->text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
}

int
verdict_sysexit(const struct verdict *v)
{
	switch (v->code) {
	case SPOOL_DONE:
		return EX_OK;
	case SPOOL_TOO_LONG:
	case SPOOL_ENVELOPE:
		return EX_DATAERR;
	case SPOOL_REFUSED:
		return strcmp(v->status, "5.1.1") == 0 ? EX_NOUSER :
		       strcmp(v->status, "5.1.2") == 0 ? EX_NOHOST : EX_UNAVAILABLE;
	case SPOOL_MEMORY:
		return EX_OSERR;
	case SPOOL_READ:
		return EX_IOERR;
	case SPOOL_CONF:
		return EX_CONFIG;
	case SPOOL_NO_DOOR:
		return EX_UNAVAILABLE;
	default:
		return EX_TEMPFAIL;
	}
}
