/* See trace.h. All that goes in has been checked by is_address_safe() or our own. */
#include "keeper/trace.h"

#include "base/clock.h"
#include "base/timed.h"

/* "ESMTPSA": RFC 3848, RFC 6531 4.3. */
static void
add_protocol(struct text *t, const struct trace *tr)
{
	if (tr->smtputf8)
		text_add(t, "UTF8");
	else if (tr->esmtp && !tr->lmtp)
		text_addc(t, 'E');
	text_add(t, tr->lmtp ? "LMTP" : "SMTP");
	if (tr->tls != NULL)
		text_addc(t, 'S');
	if (tr->auth)
		text_addc(t, 'A');
}

static void
add_client(struct text *t, const struct trace *tr)
{
	text_add(t, "from ");
	text_add(t, tr->helo);
	text_add(t, " (");
	if (tr->client->known)
		ip_literal(t, tr->client);
	else
		text_add(t, "local");
	text_add(t, ")\n\t");
}

size_t
trace_text(struct text *t, const struct trace *tr)
{
	size_t start = t->len, skip;

	text_add(t, "Return-Path: <");
	address_text(t, tr->sender);
	text_add(t, ">\n");
	if (tr->recipient != NULL) {
		text_add(t, "Delivered-To: ");
		address_text(t, tr->recipient);
		text_addc(t, '\n');
	}
	/* For a hop that does not offer the extension this line travels (client_send.c). */
	if (tr->priority != 0) {
		text_add(t, PRIORITY_FIELD);
		priority_text(t, tr->priority);
		text_addc(t, '\n');
	}
	skip = t->len - start;
	text_add(t, "Received: ");
	if (tr->local == NULL)
		add_client(t, tr);
	text_add(t, "by ");
	text_add(t, tr->host);
	if (tr->local == NULL) {
		text_add(t, " with ");
		add_protocol(t, tr);
	} else {
		text_add(t, " (from ");
		text_add(t, tr->local);
		text_add(t, ") with local");
	}
	text_add(t, " id ");
	text_add(t, tr->id);
	if (tr->recipient != NULL) {
		text_add(t, "\n\tfor <");
		address_text(t, tr->recipient);
		text_addc(t, '>');
	}
	if (tr->priority != 0) {
		text_add(t, "\n\tPRIORITY ");
		priority_text(t, tr->priority);
	}
	/* RFC 8314 4.3; its names come from our own helper. */
	if (tr->tls != NULL) {
		text_add(t, "\n\ttls ");
		text_add(t, tr->tls->cipher);
		text_add(t, " (");
		text_add(t, tr->tls->version);
		text_addc(t, ')');
	}
	text_add(t, ";\n\t");
	clock_date(t, tr->now);
	text_addc(t, '\n');
	return skip;
}
