/* See inject.h. Called by spool itself and by its socket's children. */
#include "spool/inject.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hops.h"
#include "base/job.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/text.h"
#include "keeper/keeper.h"
#include "keeper/transaction.h"
#include "spool/lines.h"

struct work {
	struct conf conf;          /* a copy with limits of our own */
	struct keeper_setup setup;
	struct resolver resolver;
	struct transaction transaction;
};

/* What a refusal by the keeper means here. */
static const struct meaning {
	enum answer answer;
	int code;
	const char *status, *words;
} meanings[] = {
	{ ANSWER_NO_USER, SPOOL_REFUSED, "5.1.1", "no such mailbox" },
	{ ANSWER_NO_DOMAIN, SPOOL_REFUSED, "5.1.2", "not a domain" },
	{ ANSWER_TOO_MANY, SPOOL_REFUSED, "5.5.3", "too many recipients" },
	{ ANSWER_TOO_BIG, SPOOL_REFUSED, "5.3.4", "the message is too large" },
	{ ANSWER_NEVER_FITS, SPOOL_REFUSED, "5.2.2", "larger than the mailbox's quota" },
	{ ANSWER_LATE, SPOOL_REFUSED, "5.4.7", "not delivered by the time that its sender has set" },
	{ ANSWER_LOOP, SPOOL_REFUSED, "5.4.6", "forwarding goes in a circle" },
	{ ANSWER_FULL, SPOOL_LATER, "4.2.2", "the mailbox is full" },
	{ ANSWER_NO_SPACE, SPOOL_WRITE, "4.3.1", "no space left" },
	/* The rest is ours and logged, the last row. */
	{ ANSWER_ERROR, SPOOL_LATER, "4.3.0", "an error of this host, see its log" },
};

static void
refuse(struct verdict *v, enum answer a, const struct address *to)
{
	const struct meaning *m = meanings;
	char text[LIMIT_ADDRESS + 1];
	struct text t;

	while (m->answer != a && m->answer != ANSWER_ERROR)
		m++;
	text_init(&t, text, sizeof text);
	if (to != NULL)
		address_text(&t, to);
	verdict_set(v, m->code, m->status, m->words, text);
}

static void
fail(struct verdict *v, int code, const char *what)
{
	verdict_set(v, code, "4.3.0", what, strerror(errno));
}

/* Megabytes, of which few are ever touched. */
static struct work *
make_work(const struct inject *in)
{
	void *p = mmap(NULL, sizeof(struct work), PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct work *w = p;

	if (p == MAP_FAILED)
		return NULL;
	w->conf = *in->conf;
	/* Programs that hand in lists: only the hard cap holds. */
	w->conf.recipients = LIMIT_RECIPIENTS;
	w->setup.conf = &w->conf;
	w->setup.job.service = SERVICE_SMTP;
	w->setup.job.boundary = w->setup.job.conn = -1;
	job_make_id(w->setup.job.session_id, (unsigned)getpid());
	w->setup.state = in->state;
	w->setup.domains = in->domains;
	w->setup.may_relay = w->setup.always_relay = true;
	w->setup.tls = w->setup.auth = (struct helper_door){ NULL, -1 };
	w->setup.flush = in->flush;
	w->setup.append = "";
	w->setup.size = in->conf->size;
	w->resolver.conf = &w->conf;
	w->resolver.state = in->state;
	w->resolver.domains = in->domains;
	w->resolver.may_relay = true;
	w->resolver.append = "";
	transaction_init(&w->transaction, &w->setup, &w->resolver);
	return w;
}

static bool
needs_utf8(const struct order *o)
{
	bool utf8 = has_utf8(o->sender.local) || has_utf8(o->sender.domain);

	for (unsigned i = 0; i < o->n && !utf8; i++)
		utf8 = has_utf8(o->to[i].local) || has_utf8(o->to[i].domain);
	return utf8;
}

/* What MAIL had said of a message that was held back, but that it is to be. */
static void
recall(struct mail_from *from, const struct envelope *e)
{
	from->smtputf8 |= e->utf8;
	from->body = e->body;
	from->by = e->by;
	from->priority = e->priority;
	from->login_name = e->login;
	(void)text_copy(from->auth, sizeof from->auth, e->auth); /* as long */
}

static bool
begin(struct work *w, const struct inject *in, int fd, const struct order *o,
      struct verdict *v)
{
	struct mail_from from = { .sender = o->sender, .smtputf8 = needs_utf8(o),
	                          .login_name = "", .ret = o->ret,
	                          .require_tls = o->require_tls };
	enum answer a;
	struct stat st;
	struct text t;

	text_init(&t, from.local, sizeof from.local);
	text_add(&t, "uid ");
	text_addu(&t, in->uid);
	(void)text_copy(from.envid, sizeof from.envid, o->envid); /* as long */
	if (o->queued != NULL)
		recall(&from, o->queued);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		from.size = (uint64_t)st.st_size;
	a = transaction_begin(&w->transaction, &from);
	if (a != ANSWER_YES)
		refuse(v, a, NULL);
	for (unsigned i = 0; i < o->n && a == ANSWER_YES; i++) {
		const struct envelope_to *to = o->queued != NULL ? &o->queued->to[i] : NULL;

		a = transaction_add(&w->transaction, &o->to[i], to != NULL ? to->notify : o->notify,
		                    to != NULL ? to->orcpt : "");
		if (a != ANSWER_YES)
			refuse(v, a, &o->to[i]);
	}
	if (a == ANSWER_YES && (a = transaction_open(&w->transaction)) != ANSWER_YES)
		refuse(v, a, NULL);
	return a == ANSWER_YES;
}

static bool
write_all(int fd, const char *buf, size_t len, struct verdict *v)
{
	while (len > 0) {
		ssize_t n = write(fd, buf, len);

		if (n == -1 && errno != EINTR) {
			fail(v, SPOOL_WRITE, "cannot write the message");
			return false;
		}
		buf += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

/* BINARYMIME (RFC 3030): no octet of it is a line's end. */
static size_t
pass(const char *in, size_t len, char *out)
{
	memcpy(out, in, len);
	return len;
}

/* The message, once and by copy: whoever else holds its file may change it meanwhile. */
static bool
copy(struct work *w, int fd, const struct order *o, struct verdict *v)
{
	bool binary = o->queued != NULL && o->queued->body == BODY_BINARYMIME;
	static char in[64 * 1024], out[sizeof in + 1];
	uint64_t size = 0;
	struct lines lines;
	struct hops hops;
	ssize_t n;

	lines_init(&lines);
	hops_init(&hops);
	/* A pipe's start is where it is. */
	if (lseek(fd, 0, SEEK_SET) == -1 && errno != ESPIPE) {
		fail(v, SPOOL_READ, "cannot read the message");
		return false;
	}
	for (;;) {
		size_t len;

		n = read(fd, in, sizeof in);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		size += (size_t)n;
		len = binary ? pass(in, (size_t)n, out) : lines_convert(&lines, in, (size_t)n, out);
		hops_feed(&hops, out, len);
		if (size > w->transaction.limit) {
			refuse(v, ANSWER_TOO_BIG, NULL);
			return false;
		}
		if (!write_all(w->transaction.message.fd, out, len, v))
			return false;
	}
	if (n == -1) {
		fail(v, SPOOL_READ, "cannot read the message");
		return false;
	}
	if (hops.received > w->conf.received) {
		verdict_set(v, SPOOL_REFUSED, "5.4.6", "too many Received lines: a mail loop", "");
		return false;
	}
	if (o->queued == NULL)
		w->transaction.from.body = lines.eight ? BODY_8BITMIME : BODY_7BIT;
	if (binary)
		return true;
	return write_all(w->transaction.message.fd, out, lines_finish(&lines, out), v);
}

static void
commit(struct work *w, const struct order *o, struct verdict *v)
{
	char outcomes[LIMIT_RECIPIENTS + 1];
	enum answer a = transaction_commit(&w->transaction, outcomes);

	if (a != ANSWER_OUTCOMES) {
		refuse(v, a, NULL);
		return;
	}
	/* All have one outcome: it is not LMTP. */
	for (unsigned i = 0; i < o->n; i++)
		if (outcomes[i] != ANSWER_YES) {
			refuse(v, (enum answer)outcomes[i], &o->to[i]);
			return;
		}
	verdict_set(v, SPOOL_DONE, "2.0.0", "ok", "");
	(void)text_copy(v->id, sizeof v->id, w->transaction.id); /* as long */
}

void
inject(const struct inject *in, int fd, const struct order *o, struct verdict *v)
{
	struct work *w = make_work(in);

	if (w == NULL) {
		fail(v, SPOOL_MEMORY, "out of memory");
		return;
	}
	log_context(w->setup.job.session_id, "");
	if (begin(w, in, fd, o, v) && copy(w, fd, o, v))
		commit(w, o, v);
	transaction_close(&w->transaction);
	(void)munmap(w, sizeof *w); /* ours, whole */
}

int
inject_confine(const struct inject *in)
{
	(void)signal(SIGIO, SIG_IGN);   /* of message_seal()'s lease; valid signals */
	(void)signal(SIGXFSZ, SIG_IGN); /* the write fails, and is reported */
	if (sandbox_no_new_privs() == -1 || sandbox_landlock_files(in->state, in->domains) == -1)
		return -1;
	return 0;
}
