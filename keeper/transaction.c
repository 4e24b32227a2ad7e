/*
 * See transaction.h. Called by keeper.c, whose table has the order of the calls; the
 * decisions of resolve.c and the commit of deliver.c are bound together here.
 */
#include "keeper/transaction.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/tidy.h"
#include "keeper/deliver.h"
#include "keeper/dispatch.h"
#include "keeper/resume.h"
#include "keeper/trace.h"

void
transaction_init(struct transaction *t, const struct keeper_setup *setup,
                 struct resolver *resolver)
{
	t->setup = setup;
	t->resolver = resolver;
	t->tmp = -1;
	t->count = 0;
	t->refusals = 0;
	message_init(&t->message);
	partial_init(&t->partial);
	transaction_end(t);
}

void
transaction_forget_recipients(struct transaction *t)
{
	explicit_bzero(t->recipients, t->n_recipients * sizeof t->recipients[0]);
	explicit_bzero(t->targets.destinations,
	               t->targets.n_destinations * sizeof t->targets.destinations[0]);
	t->n_recipients = 0;
	explicit_bzero(t->targets.remotes, t->targets.n_remotes * sizeof t->targets.remotes[0]);
	t->targets.n_destinations = t->targets.n_links = t->targets.n_remotes = 0;
	t->limit = t->setup->size;
}

void
transaction_end(struct transaction *t)
{
	resume_leave(t);
	message_discard(&t->message);
	/* A pooled keeper's next client is another one. */
	explicit_bzero(&t->from, sizeof t->from);
	explicit_bzero(t->id, sizeof t->id);
	transaction_forget_recipients(t);
}

void
transaction_close(struct transaction *t)
{
	transaction_end(t);
	if (t->tmp == -1)
		return;
	if (time(NULL) % 64 == 0) { /* often enough for what only a crash leaves */
		tidy_tmp(t->tmp);
		tidy_partial(t->setup->state);
	}
	(void)close(t->tmp); /* a directory, only read */
}

/* Room for a message of the size declared? An estimate; the write is the truth. */
static bool
has_room(const struct transaction *t)
{
	struct statvfs fs;

	if (fstatvfs(t->setup->state, &fs) == -1)
		return true;
	if (fs.f_files > 0 && fs.f_favail == 0)
		return false;
	return fs.f_frsize == 0 || t->from.size / fs.f_frsize < fs.f_bavail;
}

enum answer
transaction_begin(struct transaction *t, const struct mail_from *from)
{
	struct text id;

	t->from = *from;
	if (t->count == t->setup->conf->messages)
		return ANSWER_TOO_MANY;
	if (from->size > t->setup->size)
		return ANSWER_TOO_BIG;
	if (!has_room(t))
		return ANSWER_NO_SPACE;
	t->count++;
	t->limit = t->setup->size;
	text_init(&id, t->id, sizeof t->id);
	text_add(&id, t->setup->job.session_id);
	text_addc(&id, '.');
	text_addu(&id, t->count);
	return ANSWER_YES;
}

/* A session that was taken over could refuse itself for ever: not into our log. */
static bool
is_quiet(struct transaction *t)
{
	uint64_t cap = t->setup->conf->errors + t->setup->conf->recipients;
	struct log_line l;

	if (++t->refusals == cap + 1) {
		log_start(&l, "quiet");
		log_field(&l, "what", "further refusals of this session are not logged");
		log_send(&l, LOG_LEVEL_WARNING);
	}
	return t->refusals > cap;
}

static void
log_refused(struct transaction *t, const struct address *a, enum answer why)
{
	static const struct {
		enum answer answer;
		const char *word;
	} words[] = {
		{ ANSWER_NO_USER, "no-such-mailbox" },  { ANSWER_NO_DOMAIN, "no-such-domain" },
		{ ANSWER_RELAY_DENIED, "relay-denied" },
		{ ANSWER_TOO_MANY, "too-many" },        { ANSWER_TOO_BIG, "too-big" },
		{ ANSWER_NEVER_FITS, "never-fits" },    { ANSWER_FULL, "mailbox-full" },
		{ ANSWER_NO_SPACE, "no-space" },        { ANSWER_LOOP, "loop" },
		{ ANSWER_LATE, "late" },                { ANSWER_ERROR, "error" },
	};
	char text[LIMIT_ADDRESS + 1];
	struct log_line l;
	struct text w;

	if (is_quiet(t))
		return;
	log_start(&l, "refused");
	log_field(&l, "id", t->id);
	text_init(&w, text, sizeof text);
	address_text(&w, &t->from.sender);
	log_field(&l, "from", text);
	text_init(&w, text, sizeof text);
	address_text(&w, a);
	log_field(&l, "to", text);
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (words[i].answer == why)
			log_field(&l, "reply", words[i].word);
	log_send(&l, LOG_LEVEL_INFO);
}

/*
 * RFC 4865: a mailbox here gets it later, too. So the recipient itself waits in a queue, and
 * where its mail goes then is found out then.
 */
static enum answer
resolve(struct transaction *t, const struct address *to, uint64_t *limit)
{
	struct targets *out = &t->targets;
	unsigned destinations = out->n_destinations, links = out->n_links, remotes = out->n_remotes;
	enum answer a = resolve_recipient(t->resolver, to, t->from.size, out, limit);
	bool local = false;

	if (a != ANSWER_YES || t->from.release == 0)
		return a;
	for (unsigned i = links; i < out->n_links; i++)
		local |= !out->destinations[out->links[i]].queue;
	if (!local)
		return a;
	out->n_destinations = destinations;
	out->n_links = links;
	out->n_remotes = remotes;
	return resolve_later(t->resolver, to, out);
}

enum answer
transaction_add(struct transaction *t, const struct address *to, unsigned notify,
                const char *orcpt)
{
	unsigned first = t->targets.n_links;
	uint64_t limit = t->limit;
	struct recipient *r;
	enum answer answer = ANSWER_TOO_MANY;

	t->resolver->recipient = t->n_recipients;
	if (t->n_recipients < t->setup->conf->recipients)
		answer = resolve(t, to, &limit);
	/* With LMTP the domain's limit is its recipients' own: the delivery checks it. */
	if (answer == ANSWER_YES && t->setup->job.service != SERVICE_LMTP)
		t->limit = limit;
	if (answer != ANSWER_YES) {
		log_refused(t, to, answer);
		return answer;
	}
	r = &t->recipients[t->n_recipients++];
	r->address = *to;
	r->first = first;
	r->n = t->targets.n_links - first;
	r->notify = notify;
	(void)text_copy(r->orcpt, sizeof r->orcpt, orcpt); /* its source is as long */
	return ANSWER_YES;
}

enum answer
transaction_try(struct transaction *t, const struct address *to)
{
	struct targets *out = &t->targets;
	unsigned destinations = out->n_destinations, links = out->n_links, remotes = out->n_remotes;
	uint64_t limit = t->limit;
	enum answer answer;

	t->resolver->recipient = t->n_recipients;
	answer = resolve(t, to, &limit);
	out->n_destinations = destinations;
	out->n_links = links;
	out->n_remotes = remotes;
	if (answer != ANSWER_YES)
		log_refused(t, to, answer);
	return answer;
}

int
transaction_write_trace(struct transaction *t)
{
	char buf[LIMIT_TRACE];
	struct text w;
	struct trace tr = {
		.sender = &t->from.sender,
		.recipient = t->n_recipients == 1 ? &t->recipients[0].address : NULL,
		.local = t->from.local[0] != '\0' ? t->from.local : NULL,
		.helo = t->from.helo,
		.client = &t->setup->job.client,
		.host = t->setup->conf->hostname,
		.id = t->id,
		.esmtp = t->from.esmtp,
		.lmtp = t->setup->job.service == SERVICE_LMTP,
		.smtputf8 = t->from.smtputf8,
		.auth = t->from.login,
		.tls = t->from.tls,
		.priority = t->from.priority,
		.now = time(NULL),
	};

	text_init(&w, buf, sizeof buf);
	t->skip = trace_text(&w, &tr);
	if (!text_ok(&w)) {
		errno = EMSGSIZE;
		return -1;
	}
	t->trace_len = t->base = w.len;
	for (size_t done = 0; done < w.len;) {
		ssize_t n = write(t->message.fd, buf + done, w.len - done);

		if (n == -1 && errno != EINTR)
			return -1;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

enum answer
transaction_open(struct transaction *t)
{
	int err;

	if (t->tmp == -1)
		t->tmp = openat(t->setup->state, "tmp",
		                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (t->tmp != -1 && resume_open(t))
		return ANSWER_YES;
	if (t->tmp != -1 && message_create(&t->message, t->tmp, t->id) == 0 &&
	    (t->partial.resumed || transaction_write_trace(t) == 0))
		return ANSWER_YES;
	err = errno;
	log_error("make message file in STATE/tmp", err);
	message_discard(&t->message);
	return err == ENOSPC || err == EDQUOT ? ANSWER_NO_SPACE : ANSWER_ERROR;
}

/* What all envelopes of this message have in common. */
void
transaction_fill_envelope(struct transaction *t, uint64_t size)
{
	struct envelope *e = &t->envelope;

	e->hold = false;
	e->arrived = time(NULL);
	e->skip = t->skip;
	e->size = size;
	e->body = t->from.body;
	e->utf8 = t->from.smtputf8;
	e->require_tls = t->from.require_tls;
	e->by = t->from.by;
	e->release = t->from.release;
	e->hold_for = t->from.hold_for;
	e->priority = t->from.priority;
	e->ret = t->from.ret;
	/* All are as long as their sources. */
	(void)text_copy(e->envid, sizeof e->envid, t->from.envid);
	(void)text_copy(e->auth, sizeof e->auth, t->from.auth);
	(void)text_copy(e->login, sizeof e->login, t->from.login_name);
}

/* RFC 3461 5.2.7: who asked to hear of success hears of a delivery that was the last. */
static bool
add_reports(struct transaction *t)
{
	for (unsigned i = 0; i < t->n_recipients; i++) {
		const struct recipient *r = &t->recipients[i];
		bool local = false;

		for (unsigned k = r->first; k < r->first + r->n; k++)
			local |= !t->targets.destinations[t->targets.links[k]].queue;
		if (!local || !(r->notify & NOTIFY_SUCCESS) || t->from.sender.local[0] == '\0')
			continue;
		t->resolver->recipient = i;
		if (resolve_report(t->resolver, &r->address, &t->targets) != ANSWER_YES)
			return false;
	}
	return true;
}

/* True when no mailbox of ours is among what the recipient has led to. */
static bool
is_queued(const struct transaction *t, const struct recipient *r)
{
	for (unsigned i = r->first; i < r->first + r->n; i++)
		if (!t->targets.destinations[t->targets.links[i]].queue)
			return false;
	return true;
}

static void
log_delivered(const struct transaction *t, const struct recipient *r, uint64_t size)
{
	char text[LIMIT_ADDRESS + 1];
	struct log_line l;
	struct text w;

	log_start(&l, is_queued(t, r) ? "queued" : "delivered");
	log_field(&l, "id", t->id);
	text_init(&w, text, sizeof text);
	address_text(&w, &t->from.sender);
	log_field(&l, "from", text);
	text_init(&w, text, sizeof text);
	address_text(&w, &r->address);
	log_field(&l, "to", text);
	log_number(&l, "size", size);
	if (!is_queued(t, r))
		log_number(&l, "mailboxes", r->n);
	log_send(&l, LOG_LEVEL_INFO);
}

static enum answer
seal(struct transaction *t, uint64_t *size)
{
	if (message_seal(&t->message, size) == -1) {
		if (errno == EAGAIN)
			return ANSWER_DENIED;
		log_error("seal message file", errno);
		return ANSWER_ERROR;
	}
	/* The stored form is never longer than the canonical one that limits count. */
	return *size > t->limit + t->trace_len +
	               (is_submission(t->setup->job.service) ? LIMIT_FIXUP : 0) ?
	       ANSWER_TOO_BIG : ANSWER_YES;
}

/* Each recipient's outcome, logged; the first that is none of success, or ANSWER_YES. */
static enum answer
tell_outcomes(struct transaction *t, uint64_t size, char outcomes[LIMIT_RECIPIENTS + 1])
{
	enum answer all = ANSWER_YES;
	struct text w;

	text_init(&w, outcomes, LIMIT_RECIPIENTS + 1);
	for (unsigned i = 0; i < t->n_recipients; i++) {
		const struct recipient *r = &t->recipients[i];
		enum answer a = deliver_outcome(&t->targets, r);

		text_addc(&w, (char)a);
		if (a == ANSWER_YES)
			log_delivered(t, r, size);
		else
			log_refused(t, &r->address, a);
		if (all == ANSWER_YES)
			all = a;
	}
	return all;
}

/* A message that was delivered before: all said yes, or it would not be remembered. */
static enum answer
repeat_outcomes(const struct transaction *t, char outcomes[LIMIT_RECIPIENTS + 1])
{
	memset(outcomes, ANSWER_YES, t->partial.file.recipients);
	outcomes[t->partial.file.recipients] = '\0';
	return ANSWER_OUTCOMES;
}

enum answer
transaction_commit(struct transaction *t, char outcomes[LIMIT_RECIPIENTS + 1])
{
	struct delivery d = {
		.state = t->setup->state,
		.tmp = t->tmp,
		.envelope = &t->envelope,
		.id = t->id,
		.sender = t->from.sender,
		.resolver = t->resolver,
		.host = t->setup->conf->hostname,
		.message = &t->message,
		.targets = &t->targets,
		.recipients = t->recipients,
		.n_recipients = t->n_recipients,
		.each_alone = t->setup->job.service == SERVICE_LMTP,
	};
	enum answer a = seal(t, &d.size);

	/* RFC 2852 4.1: in mode R nothing is delivered late, here neither. */
	if (a == ANSWER_YES && t->from.by.mode == BY_RETURN && by_is_over(&t->from.by, time(NULL)))
		a = ANSWER_LATE;
	if (a == ANSWER_YES)
		a = resume_commit(t, &d);
	if (a == ANSWER_OUTCOMES)
		return repeat_outcomes(t, outcomes);
	if (a == ANSWER_YES && !add_reports(t))
		a = ANSWER_ERROR;
	if (a != ANSWER_YES) {
		resume_done(t, a);
		return a;
	}
	transaction_fill_envelope(t, d.size);
	deliver(&d);
	dispatch_notify(&d, &t->setup->flush);
	resume_done(t, tell_outcomes(t, d.size, outcomes));
	return ANSWER_OUTCOMES;
}
