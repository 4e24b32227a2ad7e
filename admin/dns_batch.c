/* See dns_batch.h. */
#include "admin/dns_batch.h"

#include <string.h>

#include "admin/check.h"
#include "admin/say.h"
#include "admin/tool.h"

void
batch_start(struct dns_batch *b)
{
	b->n = 0;
	b->argv[0] = "dns";
	b->argv[1] = "-c";
	b->argv[2] = b->a->file;
}

unsigned
batch_ask(struct dns_batch *b, const char *type, const char *prefix, const char *name)
{
	unsigned i = b->n < DNS_QUESTIONS ? b->n++ : DNS_QUESTIONS - 1;
	struct text t;

	text_init(&t, b->name[i], sizeof b->name[i]);
	text_add(&t, prefix);
	text_add(&t, name);
	b->argv[3 + 2 * i] = type;
	b->argv[4 + 2 * i] = b->name[i];
	return i;
}

unsigned
batch_find(const struct dns_batch *b, const char *type, const char *name)
{
	for (unsigned i = 0; i < b->n; i++)
		if (strcmp(b->argv[3 + 2 * i], type) == 0 && strcmp(b->name[i], name) == 0)
			return i;
	return DNS_QUESTIONS;
}

/* An answer that is none is a finding, once, and then there is nothing to look at. */
static void
tell_failure(struct dns_batch *b, const char *name, const char *status, const char *why)
{
	if (strcmp(status, "bogus") == 0)
		finding(b->out, CHECK_ERROR, name, "DNSSEC says it is forged: %s" ADVICE "mend the "
		        "zone's signatures or its DS record: others get no answer either", why);
	else
		finding(b->out, CHECK_WARNING, name, "DNS gives no answer: %s" ADVICE "look at the "
		        "zone's name servers, and at the resolver of this host", why);
}

/* The record at hand is the answer to one of the questions. */
static void
read_answer(struct dns_batch *b, struct tool *t)
{
	char type[8], name[LIMIT_DOMAIN + 16], status[8];
	const char *key, *value;
	struct dns_answer *d;
	unsigned i;

	(void)text_copy(type, sizeof type, tool_find(t, "type")); /* ours, as it was sent */
	(void)text_copy(name, sizeof name, tool_find(t, "name"));
	(void)text_copy(status, sizeof status, tool_find(t, "status"));
	i = batch_find(b, type, name);
	if (i == DNS_QUESTIONS) {
		(void)tool_skip(t);
		return;
	}
	d = &b->answer[i];
	d->good = strcmp(status, "good") == 0 || strcmp(status, "none") == 0;
	if (!d->good)
		tell_failure(b, name, status, tool_find(t, "why"));
	while (tool_next(t, &key, &value) && key != NULL) {
		if (strcmp(key, "secure") == 0)
			d->secure = strcmp(value, "yes") == 0;
		else if (strcmp(key, "at") == 0)
			(void)text_copy(d->at, sizeof d->at, value); /* a name */
		else if (strcmp(key, "data") == 0 && d->n < DNS_RECORDS &&
		         text_copy(d->record[d->n], DNS_RECORD, value))
			d->n++;
	}
}

int
batch_send(struct dns_batch *b)
{
	struct tool t;
	int r;

	memset(b->answer, 0, sizeof b->answer);
	b->argv[3 + 2 * b->n] = NULL;
	if (b->n == 0)
		return DONE;
	r = tool_run(&t, "dns", b->argv, -1);
	if (r == DONE && t.code != 0)
		r = say_refused("DNS cannot be asked");
	while (r == DONE && t.at < t.len)
		read_answer(b, &t);
	tool_free(&t);
	return r;
}

