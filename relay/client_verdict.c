/* See client_verdict.h. */
#include "relay/client_verdict.h"

#include <string.h>

void
client_verdict_local(struct client_verdict *v, const char *enhanced, const char *text,
                     const char *more)
{
	struct text t;

	v->class = enhanced[0];
	v->remote = false;
	(void)text_copy(v->enhanced, sizeof v->enhanced, enhanced); /* ours are short */
	text_init(&t, v->text, sizeof v->text);
	text_add(&t, text);
	text_addn(&t, more, strnlen(more, sizeof v->text - t.len - 1));
}

void
client_verdict_reply(struct client_verdict *v, const struct client_reply *r,
                     bool may_be_good)
{
	unsigned class = client_reply_class(r);

	if (class == 3 || (class == 2 && !may_be_good)) {
		client_verdict_local(v, "4.5.0", "this reply makes no sense here: ", r->text);
		return;
	}
	v->class = (char)('0' + class);
	v->remote = true;
	(void)text_copy(v->enhanced, sizeof v->enhanced, r->enhanced); /* of one size */
	(void)text_copy(v->text, sizeof v->text, r->text);
}

void
client_verdict_trouble(struct client_verdict *v, enum client_trouble trouble,
                       const char *step)
{
	switch (trouble) {
	case CLIENT_LATE:
		client_verdict_local(v, "4.4.2", "no answer in time at ", step);
		break;
	case CLIENT_BABBLE:
		client_verdict_local(v, "4.5.0", "what came is no reply, at ", step);
		break;
	case CLIENT_ABANDONED:
		client_verdict_local(v, "4.3.0", "given up at ", step);
		break;
	case CLIENT_CLOSED:
	case CLIENT_FINE:
		client_verdict_local(v, "4.4.2", "connection closed at ", step);
		break;
	}
}
