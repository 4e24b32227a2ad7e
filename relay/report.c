/*
 * See report.h. Text and structure of every report; the original's octets are copied, never
 * read for their meaning. stdio, since nothing here is bound to a fixed size.
 */
#include "relay/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <unistr.h>

#include "base/clock.h"
#include "base/text.h"

/* -- small pieces -------------------------------------------------------------------------- */

static void
put_date(FILE *f, const char *field, time_t when)
{
	char buf[64];
	struct text t;

	text_init(&t, buf, sizeof buf);
	clock_date(&t, when);
	fprintf(f, "%s: %s\n", field, buf);
}

/* Printable text; where UTF-8 may not stand, as RFC 6533 3 writes it: \x{FC}. */
static void
put_safe(FILE *f, const char *s, bool utf8)
{
	while (*s != '\0') {
		ucs4_t c;
		int len = u8_strmbtouc(&c, (const uint8_t *)s);

		if (len < 1 || c < ' ' || c == 0x7f) {
			putc('?', f);
			len = 1;
		} else if (len == 1 || utf8) {
			(void)fwrite(s, 1, (size_t)len, f); /* ferror() is asked at the end */
		} else {
			fprintf(f, "\\x{%lX}", (unsigned long)c);
		}
		s += len;
	}
}

static void
put_address(FILE *f, const struct address *a, bool utf8)
{
	char buf[LIMIT_ADDRESS + 1];
	struct text t;

	text_init(&t, buf, sizeof buf);
	address_text(&t, a);
	put_safe(f, buf, utf8);
}

static bool
is_utf8(const struct report *r)
{
	return r->e->utf8;
}

/* RFC 3464 2.3.1, RFC 6533 3: which type of address this is. */
static void
put_typed(FILE *f, const char *field, const struct address *a, bool utf8)
{
	bool plain = !has_utf8(a->local) && !has_utf8(a->domain);

	fprintf(f, "%s: %s;", field, plain ? "rfc822" : "utf-8");
	put_address(f, a, utf8);
	putc('\n', f);
}

/* -- the header ------------------------------------------------------------------------------ */

static const struct {
	const char *subject;
	const char *action; /* RFC 3464 2.3.3 */
	const char *head;   /* of the text for people */
} kinds[] = {
	[REPORT_FAILED] = { "Your message could not be delivered", "failed",
		"Your message could not be delivered to:" },
	[REPORT_DELAYED] = { "Your message is delayed", "delayed",
		"Your message has not been delivered yet. You need not do anything: we go on trying.\n"
		"So far it has not reached:" },
	[REPORT_RELAYED] = { "Your message was passed on", "relayed",
		"You asked for a report. Your message was passed on to another mail server, and\n"
		"this may be the last we know of it. Recipients:" },
	[REPORT_DELIVERED] = { "Your message was delivered", "delivered",
		"You asked for a report. Your message was delivered to:" },
	[REPORT_DOUBLE] = { "A report could not be delivered", "failed",
		"A message without a sender, most likely a report, could not be delivered. Nobody but\n"
		"the postmaster hears of it. Its recipients:" },
};

static void
put_boundary(char out[40])
{
	unsigned char random[12];
	struct text t;

	/* It must not occur in what was sent to us; the time helps where the kernel can't. */
	if (getrandom(random, sizeof random, GRND_NONBLOCK) != sizeof random)
		memset(random, (int)(clock_ms() & 0xff), sizeof random);
	text_init(&t, out, 40);
	text_add(&t, "=_report_");
	for (size_t i = 0; i < sizeof random; i++)
		text_addx(&t, random[i], 2);
}

static void
put_from(FILE *f, const struct conf *c, const char *id, time_t now)
{
	fprintf(f, "From: Mail Delivery System <MAILER-DAEMON@%s>\n", c->hostname);
	put_date(f, "Date", now);
	fprintf(f, "Message-ID: <report.%s.%lld@%s>\n", id, (long long)now, c->hostname);
}

static void
put_header(FILE *f, const struct report *r, const char *boundary)
{
	const struct address *to =
		r->kind == REPORT_DOUBLE ? &r->conf->postmaster : &r->e->sender;

	put_from(f, r->conf, r->e->id, r->now);
	fputs("To: <", f);
	put_address(f, to, true);
	fprintf(f, ">\nSubject: %s\n", kinds[r->kind].subject);
	if (r->kind == REPORT_DOUBLE)
		fprintf(f, "%s yes\n", REPORT_DOUBLE_FIELD);
	/* RFC 3834 5: so that no responder answers it. */
	fprintf(f, "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n"
	        "Content-Type: multipart/report; report-type=delivery-status;\n"
	        "\tboundary=\"%s\"\n\n", boundary);
}

/* -- the part for people --------------------------------------------------------------------- */

/* RFC 3463, the codes whose meaning helps; the longest that fits counts. */
static const struct {
	const char *code, *words;
} meanings[] = {
	{ "5.1.1", "There is no mailbox of this name." },
	{ "5.1.2", "There is no such domain, or it has no mail server." },
	{ "5.1.3", "The address is not written correctly." },
	{ "5.1.6", "The mailbox has moved, and nobody knows where." },
	{ "5.1.10", "The domain says that it takes no mail at all." },
	{ "5.2.1", "The mailbox exists, but takes no mail now." },
	{ "5.2.2", "The mailbox is full." },
	{ "5.2.3", "The message is larger than this mailbox allows." },
	{ "5.3.4", "The message is larger than the other server takes." },
	{ "5.4.4", "No server for this domain could be found." },
	{ "5.4.6", "The message goes in a circle." },
	{ "5.4.7", "It could not be delivered in the time that there was." },
	{ "5.6", "The message has a form that the other server cannot take." },
	{ "5.7.1", "The other server's rules do not allow it." },
	{ "5.7.10", "The message must travel encrypted, and the other server cannot do so." },
	{ "5.7.30", "The message must travel encrypted, and the other server cannot do so." },
	{ "5.7", "The other server's rules do not allow it." },
	{ "4.1", "The other server has trouble with the address." },
	{ "4.2.2", "The mailbox is full." },
	{ "4.2", "The mailbox cannot take mail now." },
	{ "4.3.1", "The other server has no room left." },
	{ "4.4.1", "The other server cannot be reached." },
	{ "4.4.2", "The connection to the other server broke." },
	{ "4.4.7", "The time that you have set has passed." },
	{ "4.4.3", "The domain's name service does not answer." },
	{ "4.7", "The other server does not take it yet, or a safe connection was not possible." },
};

static const char *
meaning_of(const char *code)
{
	const char *words = NULL;
	size_t best = 0;

	for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
		size_t len = strlen(meanings[i].code);

		if (len > best && strncmp(code, meanings[i].code, len) == 0 &&
		    (code[len] == '\0' || code[len] == '.')) {
			words = meanings[i].words;
			best = len;
		}
	}
	return words;
}

static void
put_days(FILE *f, uint64_t seconds)
{
	if (seconds >= 2 * 86400)
		fprintf(f, "%llu days", (unsigned long long)(seconds / 86400));
	else if (seconds >= 2 * 3600)
		fprintf(f, "%llu hours", (unsigned long long)(seconds / 3600));
	else
		fprintf(f, "%llu minutes", (unsigned long long)(seconds / 60));
}

static void
put_why(FILE *f, const struct report *r, const struct outcome *o)
{
	const char *words = meaning_of(o->code);

	if (words != NULL)
		fprintf(f, "    %s\n", words);
	if (o->expired) {
		fputs("    We have given up after ", f);
		put_days(f, (uint64_t)(r->now - envelope_start(r->e)));
		fputs(".\n", f);
	}
	if (o->reply[0] == '\0')
		return;
	if (o->remote && r->host[0] != '\0')
		fprintf(f, "    The server %s said: ", r->host);
	else if (o->remote)
		fprintf(f, "    The server %s said: ", r->address);
	else
		fputs("    In detail: ", f);
	put_safe(f, o->reply, true);
	putc('\n', f);
}

static void
put_text(FILE *f, const struct report *r)
{
	/* Replies may be UTF-8 (RFC 6531 3.7.4). */
	fputs("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n", f);
	fprintf(f, "This is the mail server %s.\n\n%s\n", r->conf->hostname, kinds[r->kind].head);
	for (unsigned i = 0; i < r->n; i++) {
		fputs("\n<", f);
		put_address(f, &r->e->to[r->which[i]].address, true);
		fputs(">\n", f);
		if (r->outcomes != NULL && r->kind != REPORT_RELAYED)
			put_why(f, r, &r->outcomes[r->which[i]]);
	}
	if (r->kind == REPORT_DELAYED) {
		fputs("\nWe give up ", f);
		put_days(f, r->conf->expire);
		fputs(" after you sent it, and then you will hear from us again.\n", f);
	}
	if (r->kind == REPORT_FAILED)
		fputs("\nWe will not try again. The start of your message is below.\n", f);
}

/* -- the part for programs -------------------------------------------------------------------- */

static void
put_recipient(FILE *f, const struct report *r, unsigned i)
{
	const struct envelope_to *to = &r->e->to[i];
	const struct outcome *o = r->outcomes != NULL ? &r->outcomes[i] : NULL;
	bool utf8 = is_utf8(r);

	putc('\n', f);
	if (to->orcpt[0] != '\0') {
		fputs("Original-Recipient: ", f);
		put_safe(f, to->orcpt, utf8);
		putc('\n', f);
	}
	put_typed(f, "Final-Recipient", &to->address, utf8);
	fprintf(f, "Action: %s\n", kinds[r->kind].action);
	fprintf(f, "Status: %s\n", o == NULL || o->code[0] == '\0' ? "2.0.0" : o->code);
	if (o != NULL && o->class != 0 && r->host[0] != '\0' && (o->remote || o->relayed))
		fprintf(f, "Remote-MTA: dns;%s\n", r->host);
	if (o != NULL && o->remote && o->reply[0] != '\0') {
		fputs("Diagnostic-Code: smtp;", f);
		put_safe(f, o->reply, utf8);
		putc('\n', f);
	}
	put_date(f, "Last-Attempt-Date", r->now);
	if (r->kind == REPORT_DELAYED)
		put_date(f, "Will-Retry-Until", envelope_start(r->e) + (time_t)r->conf->expire);
}

static void
put_status(FILE *f, const struct report *r)
{
	char stamp[32];
	struct text t;

	fputs(is_utf8(r) ? "Content-Type: message/global-delivery-status\n"
	                   "Content-Transfer-Encoding: 8bit\n\n"
	                 : "Content-Type: message/delivery-status\n\n", f);
	fprintf(f, "Reporting-MTA: dns;%s\n", r->conf->hostname);
	if (r->e->envid[0] != '\0') {
		fputs("Original-Envelope-Id: ", f);
		put_safe(f, r->e->envid, is_utf8(r));
		putc('\n', f);
	}
	put_date(f, "Arrival-Date", r->e->arrived);
	/* RFC 2852 5; RFC 4865 5.1.2: in the form of MAIL. */
	if (r->e->by.mode != BY_NONE)
		put_date(f, "Deliver-By-Date", r->e->by.when);
	if (r->e->hold_for != 0) {
		fprintf(f, "Future-Release-Request: for;%ju\n", (uintmax_t)r->e->hold_for);
	} else if (r->e->release != 0) {
		text_init(&t, stamp, sizeof stamp);
		clock_stamp(&t, r->e->release);
		fprintf(f, "Future-Release-Request: until;%s\n", stamp);
	}
	for (unsigned i = 0; i < r->n; i++)
		put_recipient(f, r, r->which[i]);
}

/* -- the original ------------------------------------------------------------------------------- */

/* The start of the message, at most cap octets, without CR and NUL; *len of them. */
static char *
read_start(const struct envelope *e, int fd, size_t *len)
{
	static char buf[LIMIT_REPORT_MESSAGE];
	size_t got = 0, out = 0;

	while (got < sizeof buf) {
		ssize_t n = pread(fd, buf + got, sizeof buf - got, (off_t)(e->skip + got));

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break; /* a report without the rest is better than none */
		got += (size_t)n;
	}
	for (size_t i = 0; i < got; i++)
		if (buf[i] != '\r' && buf[i] != '\0')
			buf[out++] = buf[i];
	*len = out;
	return buf;
}

/* Octets of the header, its last LF among them; cut at a line's end. */
static size_t
header_of(const char *s, size_t len)
{
	const char *end = len > 0 && s[0] == '\n' ? s : memmem(s, len, "\n\n", 2);
	const char *last;

	if (end != NULL && end - s < LIMIT_REPORT_HEADER)
		return s[0] == '\n' ? 0 : (size_t)(end - s) + 1;
	len = len < LIMIT_REPORT_HEADER ? len : LIMIT_REPORT_HEADER;
	last = memrchr(s, '\n', len);
	return last == NULL ? 0 : (size_t)(last - s) + 1;
}

static bool
wants_full(const struct report *r, size_t len)
{
	/*
	 * RFC 3461 4.3: RET is about failures; RFC 8689 5: it is HDRS where TLS is required; what
	 * came BINARYMIME can't stand in 8bit.
	 */
	return r->kind == REPORT_FAILED && r->e->ret == RET_FULL && !r->e->require_tls &&
	       r->e->body != BODY_BINARYMIME && len < LIMIT_REPORT_MESSAGE;
}

static void
put_original(FILE *f, const struct report *r)
{
	size_t len;
	const char *s = read_start(r->e, r->message_fd, &len);
	bool full = wants_full(r, len);

	if (full)
		fputs(is_utf8(r) ? "Content-Type: message/global\n" : "Content-Type: message/rfc822\n",
		      f);
	else
		fputs(is_utf8(r) ? "Content-Type: message/global-headers\n"
		                 : "Content-Type: text/rfc822-headers\n", f);
	fputs("Content-Transfer-Encoding: 8bit\n\n", f);
	if (!full)
		len = header_of(s, len);
	(void)fwrite(s, 1, len, f); /* ferror() is asked at the end */
	if (len > 0 && s[len - 1] != '\n')
		putc('\n', f);
}

bool
report_is_double(const struct envelope *e, int message_fd)
{
	size_t len, field = strlen(REPORT_DOUBLE_FIELD);
	const char *s = read_start(e, message_fd, &len);
	const char *end = s + header_of(s, len);

	while (s < end) {
		const char *lf = memchr(s, '\n', (size_t)(end - s));

		if ((size_t)(end - s) > field && strncasecmp(s, REPORT_DOUBLE_FIELD, field) == 0)
			return true;
		s = lf == NULL ? end : lf + 1;
	}
	return false;
}

/* -- whole messages ------------------------------------------------------------------------------ */

static FILE *
open_out(int fd)
{
	int copy = dup(fd);
	FILE *f = copy == -1 ? NULL : fdopen(copy, "w");

	if (f == NULL && copy != -1)
		(void)close(copy); /* nothing was written */
	return f;
}

static int
end_out(FILE *f)
{
	bool bad = ferror(f) != 0;

	if (fclose(f) == 0 && !bad)
		return 0;
	errno = errno == 0 ? EIO : errno;
	return -1;
}

int
report_write(int fd, const struct report *r)
{
	char boundary[40];
	FILE *f = open_out(fd);

	if (f == NULL)
		return -1;
	put_boundary(boundary);
	put_header(f, r, boundary);
	fprintf(f, "--%s\n", boundary);
	put_text(f, r);
	fprintf(f, "\n--%s\n", boundary);
	put_status(f, r);
	fprintf(f, "\n--%s\n", boundary);
	put_original(f, r);
	fprintf(f, "\n--%s--\n", boundary);
	return end_out(f);
}

int
report_notice(int fd, const struct conf *c, const char *domain, const char *file,
              const char *why, time_t now)
{
	FILE *f = open_out(fd);

	if (f == NULL)
		return -1;
	put_from(f, c, "queue", now);
	fputs("To: <", f);
	put_address(f, &c->postmaster, true);
	fputs(">\nSubject: A file of the queue was set aside\nAuto-Submitted: auto-generated\n"
	      "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
	      "Content-Transfer-Encoding: 8bit\n\n", f);
	fprintf(f, "This is the mail server %s.\n\nIn the queue of %s there was a file that cannot "
	        "be sent:\n\n    ", c->hostname, domain);
	put_safe(f, file, true);
	fputs("\n    ", f);
	put_safe(f, why, true);
	fputs("\n\nIt now lies in the directory bad/ of that queue, with the file that belongs to it\n"
	      "where there is one. Nothing else was stopped by it. Nobody but you has been told.\n", f);
	return end_out(f);
}
