/* See trace.h. All that goes in has been checked by is_address_safe() or our own. */
#include "keeper/trace.h"

#include "base/clock.h"

static const char *
protocol(const struct trace *tr)
{
	if (tr->lmtp)
		return tr->smtputf8 ? "UTF8LMTP" : "LMTP";
	if (!tr->esmtp)
		return "SMTP";
	return tr->smtputf8 ? "UTF8SMTP" : "ESMTP";
}

void
trace_text(struct text *t, const struct trace *tr)
{
	text_add(t, "Return-Path: <");
	address_text(t, tr->sender);
	text_add(t, ">\n");
	if (tr->recipient != NULL) {
		text_add(t, "Delivered-To: ");
		address_text(t, tr->recipient);
		text_addc(t, '\n');
	}
	text_add(t, "Received: from ");
	text_add(t, tr->helo);
	text_add(t, " (");
	if (tr->client->known)
		ip_literal(t, tr->client);
	else
		text_add(t, "local");
	text_add(t, ")\n\tby ");
	text_add(t, tr->host);
	text_add(t, " with ");
	text_add(t, protocol(tr));
	text_add(t, " id ");
	text_add(t, tr->id);
	if (tr->recipient != NULL) {
		text_add(t, "\n\tfor <");
		address_text(t, tr->recipient);
		text_addc(t, '>');
	}
	text_add(t, ";\n\t");
	clock_date(t, tr->now);
	text_addc(t, '\n');
}
