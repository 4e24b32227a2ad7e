/*
 * See body.h. Octets go from the connection's buffer through the data machine into
 * the message file that the keeper opened. A body that has failed is read on to its
 * real end, so that what follows is never taken for something else.
 */
#include "session/body.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"

void
body_drop(struct session *s)
{
	if (s->body.fd != -1)
		(void)close(s->body.fd); /* the keeper syncs and checks the file */
	s->body.fd = -1;
}

static void
fail(struct session *s, const struct reply *why, enum event event)
{
	if (s->body.failed != NULL)
		return;
	s->body.failed = why;
	ask_log(&s->ask, event);
}

static void
write_all(void *context, const char *buf, size_t len)
{
	struct session *s = context;

	while (len > 0 && s->body.failed == NULL) {
		ssize_t n = write(s->body.fd, buf, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			bool full = errno == ENOSPC || errno == EDQUOT;

			fail(s, errno == EFBIG ? &reply_too_big :
			        full           ? &reply_no_space :
			                         &reply_error, EVENT_WRITE_FAILED);
			return;
		}
		buf += n;
		len -= (size_t)n;
		s->checkpoint.written += (uint64_t)n;
	}
}

/* What precedes the offset has passed already, and its header with it. */
static void
skip_offset(struct session *s)
{
	struct body *b = &s->body;

	b->stream.size = s->checkpoint.noted = s->checkpoint.at.offset;
	if (s->checkpoint.at.offset > 0 || s->checkpoint.at.whole)
		b->hops.done = b->fixup.done = true;
}

/* Starts a body; without a file to write to it has failed from the start. */
static void
open_body(struct session *s, enum stream_mode mode)
{
	enum answer a = ask_body(&s->ask, &s->body.fd, s->body.id);

	stream_init(&s->body.stream, mode);
	hops_init(&s->body.hops);
	s->body.hops.known = s->known;
	s->body.hops.n_known = s->recipients < LIMIT_LOOP ? s->recipients : LIMIT_LOOP;
	fixup_init(&s->body.fixup, s->body.id, s->setup->conf->hostname, write_all, s);
	if (s->checkpoint.resumed)
		skip_offset(s);
	s->body.failed = a == ANSWER_YES ? NULL : session_refused(s, a);
	if (a != ANSWER_YES)
		s->body.fd = -1;
}

/*
 * RFC 1845: tells the keeper how far the message has come, once its header is whole, since
 * nothing but octets is remembered of what comes after.
 */
static void
note(struct session *s)
{
	struct restart *c = &s->checkpoint;
	uint64_t size = s->body.stream.size;

	if (!c->on || s->body.failed != NULL || !s->body.hops.done ||
	    (is_submission(s->setup->service) && !s->body.fixup.done) ||
	    (c->noted != 0 && size - c->noted < LIMIT_PARTIAL_STEP) || size == c->noted)
		return;
	c->noted = size;
	ask_note(&s->ask, c->written, size);
}

/* Stores what the data machine made of a piece, unless the body has failed. */
static void
store(struct session *s, const char *buf, size_t len)
{
	struct body *b = &s->body;

	if (b->stream.bare)
		fail(s, &reply_bare_newline, EVENT_BARE_NEWLINE);
	if (b->failed != NULL)
		return;
	hops_feed(&b->hops, buf, len);
	if (b->stream.size > s->limit)
		fail(s, &reply_too_big, EVENT_TOO_BIG);
	else if (b->hops.received > s->setup->conf->received)
		fail(s, &reply_hops, EVENT_HOPS);
	else if (b->hops.again)
		fail(s, &reply_again, EVENT_HOPS);
	else if (is_submission(s->setup->service))
		fixup_feed(&b->fixup, buf, len);
	else
		write_all(s, buf, len);
	note(s);
}

/* A failed body is not read on for ever. */
static bool
is_past_drain(const struct session *s)
{
	return s->body.failed != NULL && s->body.stream.size > s->limit &&
	       s->body.stream.size - s->limit > LIMIT_DRAIN;
}

/* Feeds at most max octets of waiting input; true when the final dot was there. */
static bool
feed(struct session *s, size_t max)
{
	struct io *io = &s->io;
	size_t len = io->end - io->at < max ? io->end - io->at : max;
	char *buf = io->input + io->at;
	struct stream_step step = stream_eat(&s->body.stream, buf, len);

	io->at += step.used;
	store(s, buf, step.out);
	return step.end;
}

static enum io_result
more_input(struct session *s)
{
	if (s->io.at < s->io.end)
		return IO_OK;
	return io_fill(&s->io, s->setup->conf->data);
}

static const struct reply *
refuse(struct session *s)
{
	const struct reply *why = s->body.failed;

	body_drop(s);
	/* Not for good: the client may try again, and need not send all again. */
	if (why->code < 500)
		ask_park(&s->ask);
	else
		ask_abort(&s->ask);
	session_reset(s);
	return why;
}

/* LMTP answers for each recipient (RFC 2033 4.2); the last is returned. */
static const struct reply *
answer_each(struct session *s, const struct reply *same, const char *id)
{
	const struct reply *r = same;
	size_t n = s->recipients;

	for (size_t i = 0; i < n; i++) {
		if (same == NULL)
			r = s->outcomes[i] == ANSWER_YES ? &reply_stored :
			    session_refused(s, (enum answer)(unsigned char)s->outcomes[i]);
		s->detail[0] = '\0';
		if (r == &reply_stored)
			(void)text_copy(s->detail, sizeof s->detail, id);
		if (s->setup->service != SERVICE_LMTP)
			break;
		if (i + 1 < n)
			session_send(s, r);
	}
	return r;
}

static const struct reply *
commit(struct session *s)
{
	char id[LIMIT_ID + 1] = "";
	const struct reply *r = NULL;
	enum answer a;

	body_drop(s);
	if (s->checkpoint.on)
		ask_note(&s->ask, s->checkpoint.written, s->body.stream.size);
	a = ask_commit(&s->ask, id, s->outcomes);
	if (a != ANSWER_OUTCOMES)
		r = session_refused(s, a);
	else if (strlen(s->outcomes) != s->recipients)
		r = session_refused(s, ANSWER_GONE);
	r = answer_each(s, r, id);
	session_reset(s);
	return r;
}

/* The client went away, or fell silent, in the middle. */
static const struct reply *
lose(struct session *s, enum io_result r)
{
	body_drop(s);
	ask_log(&s->ask, EVENT_LOST_IN_DATA);
	return session_lost(s, r);
}

/* The end has been read: stored, or refused. */
static const struct reply *
finish(struct session *s)
{
	stream_finish(&s->body.stream);
	store(s, "", 0);
	if (s->body.failed == NULL && is_submission(s->setup->service))
		fixup_finish(&s->body.fixup);
	if (s->body.failed == NULL)
		return commit(s);
	if (s->setup->service == SERVICE_LMTP)
		(void)answer_each(s, s->body.failed, "");
	return refuse(s);
}

static void
send_go_ahead(struct session *s)
{
	struct text t;

	if (!s->checkpoint.resumed) {
		session_send(s, &reply_go_ahead);
		return;
	}
	text_init(&t, s->detail, sizeof s->detail);
	text_addu(&t, s->checkpoint.at.offset);
	session_send(s, &reply_go_on);
}

const struct reply *
body_do_data(struct session *s, const char *arg)
{
	enum io_result r;

	(void)arg;
	if (s->sender.binary)
		return &reply_binary_needs_chunks;
	open_body(s, STREAM_DATA);
	if (s->body.failed != NULL)
		return refuse(s);
	send_go_ahead(s);
	do {
		r = more_input(s);
		if (r != IO_OK)
			return lose(s, r);
		if (is_past_drain(s)) {
			s->over = true;
			return refuse(s);
		}
	} while (!feed(s, SIZE_MAX));
	/* What stands behind a smuggled line end is not to be believed: close. */
	s->over |= s->body.stream.bare;
	return finish(s);
}

/* "SIZE" or "SIZE LAST" */
static bool
parse_chunk(const char *arg, uint64_t *size, bool *last)
{
	char digits[24];
	size_t len = strcspn(arg, " ");
	struct text t;

	text_init(&t, digits, sizeof digits);
	text_addn(&t, arg, len);
	arg += len + strspn(arg + len, " ");
	*last = strcasecmp(arg, "LAST") == 0;
	return text_ok(&t) && parse_u64(digits, UINT64_MAX, size) && (*last || *arg == '\0');
}

/* Too many octets to read only to throw them away. */
static bool
is_past_reason(const struct session *s, uint64_t size)
{
	return size > s->setup->size && size - s->setup->size > LIMIT_DRAIN;
}

/* Reads just n octets, into the body when there is one. False: the client is lost. */
static bool
take_chunk(struct session *s, uint64_t n, enum io_result *r)
{
	while (n > 0) {
		size_t before;

		*r = more_input(s);
		if (*r != IO_OK)
			return false;
		before = s->io.at;
		if (s->body.fd != -1)
			(void)feed(s, n < SIZE_MAX ? (size_t)n : SIZE_MAX);
		else
			s->io.at += n < s->io.end - s->io.at ? (size_t)n : s->io.end - s->io.at;
		n -= s->io.at - before;
	}
	return true;
}

void
body_skip_chunk(struct session *s, const char *arg)
{
	uint64_t size;
	bool last;
	enum io_result r;

	/* No size, or one past all reason: what follows can't be told from commands. */
	if (!parse_chunk(arg, &size, &last) || is_past_reason(s, size) ||
	    !take_chunk(s, size, &r))
		s->over = true;
}

const struct reply *
body_do_bdat(struct session *s, const char *arg)
{
	enum io_result r;
	struct text t;
	uint64_t size;
	bool last;

	if (!parse_chunk(arg, &size, &last)) {
		s->over = true;
		return &reply_bad_chunk;
	}
	if (!(s->have & CHUNKS))
		open_body(s, s->sender.binary ? STREAM_BINARY : STREAM_CHUNK);
	s->have |= CHUNKS;
	if (size > s->limit || s->body.stream.size > s->limit - size)
		fail(s, &reply_too_big, EVENT_TOO_BIG);
	if (is_past_reason(s, size)) {
		s->over = true;
		return refuse(s);
	}
	if (!take_chunk(s, size, &r))
		return lose(s, r);
	if (last)
		return finish(s);
	if (s->body.failed != NULL)
		return refuse(s);
	text_init(&t, s->detail, sizeof s->detail);
	text_addu(&t, size);
	text_add(&t, " octets");
	return &reply_chunk_ok;
}
