/*
 * See client_send.h. Without PIPELINING each command is followed by a wait for its reply.
 * A message is only finished while the runner lives: nobody else could note what became
 * of it.
 */
#include "relay/client_send.h"

#include <string.h>

#include "relay/client_params.h"
#include "relay/client_resume.h"
#include "relay/client_timed.h"
#include "relay/client_transaction.h"

/*
 * Commands under way at once. Of chunks fewer where a cut is reckoned with (RFC 1845), and few
 * before some have been answered: a cut that leaves none of them to a slow peer would have to
 * be followed by another attempt like it.
 */
static unsigned
window(const struct transaction *t, enum command what)
{
	unsigned answered = t->n_chunks > t->n_said ? t->n_chunks - t->n_said : 0;

	if (what != SAID_CHUNK || t->m->transid[0] == '\0')
		return LIMIT_PIPELINE;
	if (t->resumed)
		return LIMIT_RESUMED_WINDOW;
	return answered < LIMIT_RESUME_WINDOW - LIMIT_RESUMED_WINDOW ?
	       LIMIT_RESUMED_WINDOW + answered : LIMIT_RESUME_WINDOW;
}

/* Notes that a command has been written; waits where it has to. */
static bool
note(struct transaction *t, enum command what, unsigned to)
{
	t->said[t->n_said].what = what;
	t->said[t->n_said].to = to;
	t->n_said++;
	return (t->n_said < window(t, what) && transaction_offers(t, EXT_PIPELINING)) ||
	       transaction_settle(t);
}

static bool
say(struct transaction *t, enum command what, unsigned to, const char *line)
{
	client_deadline(&t->c->io, t->c->reply_seconds);
	client_puts(&t->c->io, line);
	client_puts(&t->c->io, "\r\n");
	return note(t, what, to);
}

/* MAIL and the recipients, as many as one transaction may have. */
static bool
say_envelope(struct transaction *t)
{
	char buf[CLIENT_LINE];
	struct text line;
	uint64_t most = t->c->offer.rcpt_max > 0 ? t->c->offer.rcpt_max : LIMIT_HOP_RECIPIENTS;

	client_resume_name(t, most);
	if (t->c->needs_reset && !say(t, SAID_RSET, 0, "RSET"))
		return false;
	text_init(&line, buf, sizeof buf);
	client_add_mail(&line, t->c, t->m, t->content);
	if (!say(t, SAID_MAIL, 0, buf) || t->failed)
		return is_transaction_alive(t);
	/* What follows depends on the answer. */
	if (t->m->transid[0] != '\0' && t->n_said > 0 && !transaction_settle(t))
		return false;
	if (t->failed || t->again)
		return true;
	if (t->resumed) {
		client_resume_recipients(t, most);
		return true;
	}
	for (t->end = t->first; t->end < t->m->n && t->tried < most; t->end++) {
		if (t->m->to[t->end].state != TO_WAITS)
			continue;
		t->tried++;
		text_init(&line, buf, sizeof buf);
		client_add_rcpt(&line, t->c, t->m, &t->m->to[t->end]);
		if (!say(t, SAID_RCPT, t->end, buf) || t->failed)
			return is_transaction_alive(t);
	}
	return true;
}

static bool
put_data(struct client *c, const char *s, size_t len)
{
	if (c->io.held + len > sizeof c->io.output)
		client_deadline(&c->io, c->reply_seconds); /* for the block that goes out */
	client_put(&c->io, s, len);
	return c->io.trouble == CLIENT_FINE;
}

/* Dots that were put in count, too: it is for the eye. */
static void
tell_progress(struct transaction *t, size_t len)
{
	uint64_t size = t->content->size, at;

	t->done += len;
	at = t->offset + t->done;
	if (t->c->progress != NULL)
		t->c->progress(t->c->progress_arg, at < size ? at : size, size);
}

static bool
put_text(void *arg, const char *s, size_t len)
{
	struct transaction *t = arg;
	size_t held = t->c->io.held;
	bool good = put_data(t->c, s, len);

	if (t->c->io.held < held) /* a block has gone */
		tell_progress(t, t->n_block);
	t->n_block = t->c->io.held < held ? len : t->n_block + len;
	return good;
}

/* Trouble while the message was going out: the peer's own words, if it has left any. */
static void
lose_in_message(struct transaction *t)
{
	struct client_reply r;
	struct client_verdict v;

	if (t->content->file.failed) {
		client_verdict_local(&v, "4.3.0", "the message can't be read", "");
		transaction_lose(t, &v);
		return;
	}
	if (t->c->io.trouble != CLIENT_ABANDONED && client_reply_read(&t->c->io, &r, NULL, NULL)) {
		client_verdict_reply(&v, &r, false);
		transaction_lose(t, &v);
	}
	transaction_lose_by_trouble(t, "the message");
}

/* After a 354: the message, or where nobody was taken nothing, and the final dot. */
static void
send_data(struct transaction *t)
{
	struct client *c = t->c;

	client_deadline(&c->io, c->reply_seconds);
	if (t->taken > 0 && !content_write(t->content, t->offset, true, put_text, t)) {
		lose_in_message(t);
		return;
	}
	/* An answer before the end is a refusal, or comes from something that is no server. */
	if (client_has_input(&c->io) || c->io.trouble != CLIENT_FINE) {
		lose_in_message(t);
		return;
	}
	if (client_is_abandoned(&c->io))
		return;
	if (t->taken > 0) {
		(void)say(t, SAID_LAST, 0, ".");
	} else {
		/* RFC 2920 3.1: the peer wants a message although all were refused. */
		(void)say(t, SAID_CHUNK, 0, ".");
	}
	if (t->n_said > 0)
		(void)transaction_settle(t);
}

static bool
put_chunk(struct transaction *t, bool last)
{
	char buf[64];
	struct text line;

	/* With some of it refused there must be no end that might be taken. */
	if (last && t->n_chunks > 0 && t->n_said > 0 && !transaction_settle(t))
		return false;
	if (t->failed || (last && client_is_abandoned(&t->c->io)))
		return false;
	t->n_chunks++;
	text_init(&line, buf, sizeof buf);
	text_add(&line, "BDAT ");
	text_addu(&line, t->n_chunk);
	text_add(&line, last ? " LAST\r\n" : "\r\n");
	(void)put_data(t->c, buf, line.len);
	(void)put_data(t->c, t->chunk, t->n_chunk);
	tell_progress(t, t->n_chunk);
	t->n_chunk = 0;
	return note(t, last ? SAID_LAST : SAID_CHUNK, 0) && !t->failed;
}

static bool
add_to_chunk(void *arg, const char *s, size_t len)
{
	struct transaction *t = arg;

	while (len > 0) {
		size_t room = sizeof t->chunk - t->n_chunk;
		size_t n = len < room ? len : room;

		/* One octet at least is left for the chunk that says LAST. */
		if (room == 0) {
			if (!put_chunk(t, false))
				return false;
			continue;
		}
		memcpy(t->chunk + t->n_chunk, s, n);
		t->n_chunk += n;
		s += n;
		len -= n;
	}
	return true;
}

/* Unless it is to be tried in another way. */
static void
report_failure(struct transaction *t, bool only_taken)
{
	if (t->failed && !t->again)
		transaction_report(t, &t->verdict, only_taken);
}

/* RFC 3030: the message in chunks; a reply to each, waited for as pipelining allows. */
static void
send_chunks(struct transaction *t)
{
	t->n_chunk = t->n_chunks = 0;
	t->c->needs_reset = true;
	if (!content_write(t->content, t->offset, false, add_to_chunk, t)) {
		if (t->content->file.failed) {
			lose_in_message(t);
			return;
		}
		if (is_transaction_alive(t) && t->n_said > 0)
			(void)transaction_settle(t);
		report_failure(t, true);
		return;
	}
	if (put_chunk(t, true) && t->n_said > 0)
		(void)transaction_settle(t);
	report_failure(t, true);
}

/* Whether the message may go out before it is known that somebody was taken. */
static bool
is_one_flight(struct transaction *t, bool chunks)
{
	return chunks && transaction_offers(t, EXT_PIPELINING) && !t->c->lmtp &&
	       t->content->size <= LIMIT_CHUNK;
}

/*
 * The name of a transaction stands for its recipients, and after a 355 all of them are as if
 * taken. So with one refused the others are named anew before anything goes out: what the
 * peer keeps is of those alone whom it has taken, and those who were put off now and come
 * again later are not mistaken for them. True too where the connection is lost.
 */
static bool
is_to_name_again(struct transaction *t)
{
	if (t->m->transid[0] == '\0' || t->resumed || t->tried < 2 || t->failed)
		return false;
	if (t->n_said > 0 && !transaction_settle(t))
		return true;
	if (t->failed || t->taken == 0 || t->taken == t->tried)
		return false;
	for (unsigned i = t->first; i < t->end; i++)
		if (t->m->to[i].state == TO_WAITS) /* one too many for a transaction */
			t->c->offer.rcpt_max = t->taken;
	t->again = true;
	return true;
}

static void
run_transaction(struct transaction *t)
{
	bool chunks = transaction_offers(t, EXT_CHUNKING) &&
	              (!t->no_chunks || t->content->form == CONTENT_BINARY);

	t->n_said = t->tried = t->taken = 0;
	t->done = t->n_block = 0;
	t->mail_taken = t->go = t->failed = false;
	t->c->transactions++;
	if (!say_envelope(t) || t->again || is_to_name_again(t))
		return;
	if (is_one_flight(t, chunks)) {
		send_chunks(t);
	} else if (chunks) {
		if ((t->n_said == 0 || transaction_settle(t)) && t->taken > 0)
			send_chunks(t);
	} else {
		if (transaction_offers(t, EXT_PIPELINING) ? !t->failed : t->taken > 0)
			(void)(say(t, SAID_DATA, 0, "DATA") && (t->n_said == 0 || transaction_settle(t)));
		if (is_transaction_alive(t) && t->go)
			send_data(t);
	}
	report_failure(t, t->mail_taken);
}

/* What was taken in vain is named again, and counts once (RFC 9422, MAILMAX). */
static void
begin_again(struct transaction *t)
{
	t->c->transactions--;
	for (unsigned i = t->first; i < t->m->n; i++)
		if (t->m->to[i].state == TO_TAKEN)
			t->m->to[i].state = TO_WAITS;
}

/* What can be said without asking the peer. True: there is nothing left to do. */
static bool
is_hopeless(struct transaction *t)
{
	/* RFC 6531 3.1 (8): who offers SMTPUTF8 takes 8bit. */
	bool eight = transaction_offers(t, EXT_8BITMIME | (t->m->utf8 ? EXT_SMTPUTF8 : 0));
	enum content_level level = eight ? CONTENT_8BIT : CONTENT_7BIT;
	bool binary = transaction_offers(t, EXT_BINARYMIME) && transaction_offers(t, EXT_CHUNKING);
	enum content_fit fit;
	const char *late = client_timed_object(t->c, t->m);
	bool requires = t->c->tls && transaction_offers(t, EXT_REQUIRETLS);

	t->m->require_tls |= t->m->wish_tls && requires;
	if (late != NULL) {
		transaction_reject(t, "5.4.7", late, "");
	} else if (t->m->require_tls && !requires) {
		transaction_reject(t, "5.7.30", "the next hop does not offer REQUIRETLS", "");
	} else if (t->m->utf8 && !transaction_offers(t, EXT_SMTPUTF8)) {
		transaction_reject(t, "5.6.7", "the next hop does not offer SMTPUTF8", "");
	} else if (!content_open(t->content, t->m->fd, client_timed_skip(t->c, t->m), t->m->size,
	                         t->m->body == BODY_BINARYMIME)) {
		transaction_reject(t, "4.3.0", "the message can't be read", "");
	} else if ((fit = content_fit(t->content, binary, level)) != CONTENT_FITS) {
		if (fit == CONTENT_NEVER)
			transaction_reject(t, "5.6.3", "no conversion for the next hop: ",
			                   t->content->plan.why);
		else
			transaction_reject(t, "4.3.0", "the message can't be read", "");
	} else if (t->c->offer.size > 0 && t->content->size > t->c->offer.size) {
		transaction_reject(t, "5.3.4", "the message is larger than the next hop takes", "");
	} else {
		return false;
	}
	return true;
}

/* Nobody has asked for what is there to be read: a farewell, or the two are out of step. */
static bool
is_out_of_step(struct transaction *t, struct client *c)
{
	struct client_reply r;
	struct client_verdict v;

	if (!client_has_input(&c->io) && c->io.trouble == CLIENT_FINE)
		return false;
	client_deadline(&c->io, c->reply_seconds);
	if (client_reply_read(&c->io, &r, NULL, NULL) && r.code == 421) {
		client_verdict_reply(&v, &r, false);
		transaction_lose(t, &v);
		return true;
	}
	if (c->io.trouble == CLIENT_FINE)
		c->io.trouble = CLIENT_BABBLE;
	transaction_lose_by_trouble(t, "MAIL");
	return true;
}

void
client_send(struct client *c, struct client_message *m, client_report *report, void *arg)
{
	static struct transaction transaction; /* one at a time; too large for a stack */
	static struct content content;
	struct transaction *t = &transaction;

	t->c = c;
	t->m = m;
	t->content = &content;
	t->report = report;
	t->arg = arg;
	t->end = 0;
	t->no_resume = t->no_chunks = false;
	c->cut = false;
	c->offset = 0;
	m->transid[0] = '\0';
	c->has_rest = false;
	if (is_hopeless(t) || is_out_of_step(t, c))
		return;
	for (;;) {
		for (t->first = 0; t->first < m->n && m->to[t->first].state == TO_DONE; t->first++)
			;
		if (t->first == m->n || !is_transaction_alive(t))
			break;
		c->has_rest = c->offer.mail_max > 0 && c->transactions >= c->offer.mail_max;
		if (c->has_rest)
			break;
		run_transaction(t);
		if (t->again)
			begin_again(t);
	}
	if (c->cut)
		return;
	if (!c->has_rest)
		transaction_reject(t, "4.4.2", "the connection was given up", "");
}

void
client_send_end(struct client *c)
{
	if (!c->cut && c->offer.mail_max > 0 && c->transactions >= c->offer.mail_max &&
	    c->io.trouble == CLIENT_FINE && !c->unusable) {
		client_quit(c);
		c->unusable = true;
	}
}
